"""A source, its augmentation and its preprocessing, joined at the units that operations work in."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from simclr.augment.registry import OPERATIONS
from simclr.augment.view_groups import ViewGroups
from simclr.data.fitting import fit_preprocess
from simclr.data.open import open_source
from simclr.data.preprocess import Preprocess
from simclr.data.scenes.bands import put_back
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.errors import InputError
from simclr.models.encoder import build_encoder, check_view_size, for_channels, notes_on_size, takes_any_size
from simclr.recipe.augment import Augment
from simclr.recipe.data import Data
from simclr.recipe.schema import Encoder, Recipe
from simclr.recipe.tuning import TuningRecipe
from simclr.views.operations import build_augment, join_neighbours, sample_size

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Inputs:
    """What the loop draws its views from.

    Attributes:
        source: what the loop indexes; of a scene, the cube already in the units of the operations.
        augment: (batch of ``source``, ids, epoch) → views (V, b, C, h, w), ready for the encoder.
        small: likewise the small views, which have a size of their own; None without them.
        preprocess: raw → encoder input, saved with the encoder.
        plain: what `embed` takes batches of.
        embed: batch of ``plain`` → encoder input, without augmentation.
        bands: numbers of the raw bands that operations work on: all but the bad ones; or of the components.
        raw: the samples as they were opened.
        of_components: operations work on a scene's components, not on its bands.
        notes: what deserves a look, a sentence each.
    """

    source: Source
    augment: ViewGroups
    small: ViewGroups | None
    preprocess: Preprocess
    plain: Source
    embed: Callable[[Tensor], Tensor]
    bands: list[int]
    raw: Source
    of_components: bool = False
    notes: tuple[str, ...] = ()

    def drawing(self) -> list[ViewGroups]:
        """What draws views, one for each size of them."""
        return [self.augment, *([self.small] if self.small is not None else [])]

    @property
    def view_shape(self) -> tuple[int, int, int]:
        """(C, h, w) of a view as the encoder takes it."""
        height, width = sample_size(self.raw)
        pool = self.preprocess.pool
        return (self.preprocess.out_chans, *self.augment.output_size((height // pool, width // pool)))

    def describe(self) -> list[str]:
        """One line for each operation of the views."""
        return [*self.augment.describe(), *(f"small: {line}" for line in (self.small.describe() if self.small else []))]


def build_inputs(recipe: Recipe, device: torch.device, in_bands: bool = False) -> Inputs:
    """Source, fitted preprocessing and augmentation of a recipe, on the device.

    Args:
        recipe: of the run.
        device: where views are drawn.
        in_bands: let a scene's operations work on bands also where that is not needed: the same views, slower, whose
            spectra can be shown.

    Raises:
        InputError: data that cannot be read, or an operation that does not fit it.
    """
    raw = open_source(recipe.data, device=device)
    assert raw is not None
    preprocess = _fitted(recipe.data, raw, device)
    inputs = _connect(recipe.augment, raw, preprocess, recipe.seed, in_bands, recipe.data.views_of_components)
    return _prepared(inputs, recipe.encoder, recipe.train.precision)


def build_tuning_inputs(recipe: TuningRecipe, device: torch.device, preprocess: Preprocess | None = None) -> Inputs:
    """Source, preprocessing and augmentation of a fine-tuning: one view of a sample, as of `build_training_views`.

    Args:
        recipe: of the run.
        device: where views are drawn.
        preprocess: of the encoder that it starts from; None fits one on the source.

    Raises:
        InputError: data that cannot be read or has no labels, other bands, or an operation that does not fit it.
    """
    raw = open_source(recipe.data, device=device)
    assert raw is not None
    if preprocess is not None and preprocess.in_chans != raw.in_chans:
        raise InputError(
            f"the encoder takes {preprocess.in_chans} bands, but {raw.name} has {raw.in_chans}: give data of the same "
            f"bands, or start from random weights with from=null"
        )
    fitted = _fitted(recipe.data, raw, device) if preprocess is None else copy.deepcopy(preprocess).to(device)
    inputs = build_training_views(recipe.augment, recipe.seed, raw, fitted)
    return _prepared(inputs, recipe.encoder, recipe.train.precision)


def _fitted(data: Data, raw: Source, device: torch.device) -> Preprocess:
    asked = data.preprocessing(min(sample_size(raw)))
    return fit_preprocess(raw, **asked._asdict()).to(device)


def _prepared(inputs: Inputs, encoder: Encoder, precision: str) -> Inputs:
    """Views of the dtype that the encoder computes in, and of a size that it takes, or an InputError."""
    for member in [*inputs.augment.members(), *(inputs.small.members() if inputs.small else [])]:
        # Autocast would round them at the first layer.
        member.dtype = _DTYPES[precision]
    preprocess, out_chans = inputs.preprocess, inputs.preprocess.out_chans
    height, width = (side // preprocess.pool for side in sample_size(inputs.raw))
    if not takes_any_size(encoder.name):
        network = build_encoder(**for_channels(encoder.model_dump(), out_chans, preprocess.components))
        for views in inputs.drawing():
            check_view_size(network, encoder.name, out_chans, views.output_size((height, width)))
    return replace(inputs, notes=tuple(notes_on_size(encoder.name, encoder.options, (height, width))))


def build_training_views(augment: Augment, seed: int, raw: Source, preprocess: Preprocess) -> Inputs:
    """A recipe's augmentation as supervised training takes it: one view of a sample, in which its label still holds.

    The operations of view 0 with a fitted preprocessing; ``center_shift`` and operations after which a label need not
    hold are left out.

    Args:
        augment: of the recipe.
        seed: of the run.
        raw: the labelled samples.
        preprocess: the encoder's.

    Raises:
        InputError: an operation that does not fit the source.
    """
    left_out = {name: None for name, operation in OPERATIONS.items() if not operation.keeps_label}
    single = {
        **left_out,
        "views": 1,
        "center_shift": None,  # the pixel near by may be of another class
        "small_views": None,
        "overrides": [override.model_copy(update=left_out) for override in augment.overrides],
    }
    return _connect(augment.model_copy(update=single), raw, preprocess, seed)


def _connect(
    augment: Augment,
    raw: Source,
    preprocess: Preprocess,
    seed: int,
    in_bands: bool = False,
    of_components: bool = False,
) -> Inputs:
    """Raw samples, augmentation and preprocessing, joined at the units that operations work in."""
    large, small = build_augment(augment, raw, preprocess, seed=seed, of_components=of_components)
    every = [*large.members(), *(small.members() if small else [])]
    if not isinstance(raw, SceneSource):
        for views in every:
            views.before, views.after = partial(preprocess.to_units, value_max=raw.value_max), preprocess.finish
        return Inputs(
            raw,
            large,
            small,
            preprocess,
            plain=raw,
            embed=partial(preprocess, value_max=raw.value_max),
            bands=list(range(raw.in_chans)),
            raw=raw,
        )
    # A per-pixel linear map commutes with moving pixels, so a scene is mapped once instead of patch by patch:
    # entirely when no operation needs the bands as they are, else as far as the units that operations work in.
    plain = source = preprocess.scene(raw)
    likeness = plain
    if preprocess.components < preprocess.out_chans:  # spectra follow, which say the same at greater length
        likeness = plain.mapped(lambda cube: cube[:, : preprocess.components])
    if of_components:
        source = likeness
    elif in_bands or any(views.band_operations for views in every):
        # Operations never see bad bands, so none touches them.
        good, bands = raw.good_bands, raw.in_chans
        wavelengths = raw.wavelengths and [raw.wavelengths[band] for band in good]
        source = raw.mapped(lambda cube: preprocess.to_units(cube, raw.value_max)[:, good]).with_bands(wavelengths, ())
        source = source.pooled(preprocess.pool)
        for views in every:
            views.after = lambda x: preprocess.finish(put_back(x, good, bands) if len(good) < bands else x)
    join_neighbours(every, augment, raw, likeness, source)
    return Inputs(
        source,
        large,
        small,
        preprocess,
        plain=plain,
        embed=nn.Identity(),
        bands=list(range(preprocess.components)) if of_components else raw.good_bands,
        raw=raw,
        of_components=of_components,
    )
