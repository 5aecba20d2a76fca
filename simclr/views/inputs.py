"""A source, its augmentation and its preprocessing, joined at the units that operations work in."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from augment.pipeline import build_views
from augment.view_groups import ViewGroups
from simclr.data.open import open_source
from simclr.data.preprocess import Preprocess, fit_preprocess
from simclr.data.scenes.band_noise import noise_in_units
from simclr.data.scenes.bands import put_back
from simclr.data.scenes.neighbours import Neighbours
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.models.encoder import build_encoder, check_view_size
from simclr.recipe.read import check_recipe
from simclr.recipe.schema import Augment, Recipe

Draw = Callable[[Tensor, int], Tensor]
"""(ids of samples, step) -> inputs of the encoder (b, C, h, w), augmented."""
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def plain_inputs(encoder: FrozenEncoder, source: Source, device: torch.device | str) -> Callable[[Tensor], Tensor]:
    """ids (b,) -> inputs of the encoder (b, C, h, w), without augmentation; a scene is preprocessed once."""
    preprocess = copy.deepcopy(encoder.preprocess).to(device)
    if isinstance(source, SceneSource):
        scene = preprocess.scene(copy.copy(source).to(device))
        return lambda ids: scene[ids]
    return lambda ids: preprocess(source[ids].to(device))


def augmented_inputs(encoder: FrozenEncoder, source: Source, seed: int, device: torch.device | str) -> Draw:
    """(ids, step) -> views drawn with the operations of the encoder's recipe, but for ``center_shift``.

    Raises:
        InputError: if the encoder's metadata holds no recipe, or the operations do not fit the source.
    """
    recipe = encoder.metadata.get("recipe")
    if recipe is None:
        raise InputError("the encoder's metadata holds no recipe to draw views with: fine-tune without augmentation.")
    preprocess = copy.deepcopy(encoder.preprocess).to(device)
    checked = check_recipe({**recipe, "seed": seed})
    inputs = build_training_views(checked, copy.copy(source).to(device), preprocess)
    return lambda ids, step: inputs.augment(inputs.source[ids].to(device), ids, step)[0]


class Inputs(NamedTuple):
    """What the loop draws its views from.

    Attributes:
        source: what the loop indexes; of a scene, the cube already in the units of the operations.
        augment: (batch of ``source``, ids, epoch) → views (V, b, C, h, w), ready for the encoder.
        small: likewise the small views, which have a size of their own; None without them.
        preprocess: raw → encoder input, saved with the encoder.
        plain: what `embed` takes batches of.
        embed: batch of ``plain`` → encoder input, without augmentation.
        bands: numbers of the raw bands that operations work on: all but the bad ones.
    """

    source: Source
    augment: ViewGroups
    small: ViewGroups | None
    preprocess: Preprocess
    plain: Source
    embed: Callable[[Tensor], Tensor]
    bands: list[int]

    def drawing(self) -> list[ViewGroups]:
        """What draws views, one for each size of them."""
        return [self.augment, *([self.small] if self.small is not None else [])]

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
    asked = recipe.data.preprocessing(min(_sample_size(raw)))
    preprocess = fit_preprocess(raw, **asked._asdict()).to(device)
    inputs = _connect(recipe.augment, raw, preprocess, recipe.seed, in_bands)
    for member in [*inputs.augment.members(), *(inputs.small.members() if inputs.small else [])]:
        # Autocast would round them at the first layer.
        member.dtype = _DTYPES[recipe.train.precision]
    if recipe.encoder.name.startswith("timm:"):  # our own encoders take every size
        encoder = build_encoder(in_chans=preprocess.out_chans, **recipe.encoder.model_dump())
        height, width = _sample_size(raw)
        for views in (inputs.augment, inputs.small):
            if views is not None:
                size = views.output_size((height // preprocess.pool, width // preprocess.pool))
                check_view_size(encoder, recipe.encoder.name, preprocess.out_chans, size)
    return inputs


def build_training_views(recipe: Recipe, raw: Source, preprocess: Preprocess) -> Inputs:
    """A recipe's augmentation as supervised training takes it: one view of a sample, in which its label still holds.

    The operations of view 0 with a fitted preprocessing; ``center_shift`` and ``neighbour_mixture`` are left out, since
    a neighbour may be of another class.

    Args:
        recipe: what the encoder was pretrained with.
        raw: the labelled samples.
        preprocess: the encoder's.

    Raises:
        InputError: an operation that does not fit the source.
    """
    overrides = [override.model_copy(update={"neighbour_mixture": None}) for override in recipe.augment.overrides]
    single = {
        "views": 1,
        "center_shift": None,
        "neighbour_mixture": None,
        "small_views": None,
        "overrides": overrides,
    }
    return _connect(recipe.augment.model_copy(update=single), raw, preprocess, recipe.seed)


def _connect(augment: Augment, raw: Source, preprocess: Preprocess, seed: int, in_bands: bool = False) -> Inputs:
    """Raw samples, augmentation and preprocessing, joined at the units that operations work in."""
    large, small = build_augment(augment, raw, preprocess, seed=seed)
    every = [*large.members(), *(small.members() if small else [])]
    if not isinstance(raw, SceneSource):
        for views in every:
            views.before, views.after = preprocess.to_units, preprocess.finish
        return Inputs(raw, large, small, preprocess, plain=raw, embed=preprocess, bands=list(range(raw.in_chans)))
    # A per-pixel linear map commutes with moving pixels, so a scene is mapped once instead of patch by patch:
    # entirely when no operation needs the bands as they are, else as far as the units that operations work in.
    plain = source = preprocess.scene(raw)
    if in_bands or any(views.band_operations for views in every):
        # Operations never see bad bands, so none touches them.
        good, bands = raw.good_bands, raw.in_chans
        wavelengths = raw.wavelengths and [raw.wavelengths[band] for band in good]
        source = raw.mapped(lambda cube: preprocess.to_units(cube)[:, good]).with_bands(wavelengths, ())
        source = source.pooled(preprocess.pool)
        for views in every:
            views.after = lambda x: preprocess.finish(put_back(x, good, bands) if len(good) < bands else x)
    shift, side = augment.center_shift, min(raw.height, raw.width)
    if shift:
        _check_reach(raw, "center_shift.shift", shift.shift, side - 1)
        _check_reach(raw, "center_shift.window", shift.window, 2 * side - 1)
    neighbours = Neighbours(plain, source, **shift.model_dump()) if shift else None
    for views in every:
        views.neighbours = neighbours
        mixture = augment.of_view(views.views[0]).get("neighbour_mixture")
        if mixture:
            _check_reach(raw, "neighbour_mixture.shift", mixture["shift"], side - 1)
            views.mixed_in = Neighbours(
                plain, source, mixture["shift"], operation="neighbour_mixture.shift", around=neighbours
            )
    return Inputs(source, large, small, preprocess, plain=plain, embed=nn.Identity(), bands=raw.good_bands)


def build_augment(
    augment: Augment, source: Source, preprocess: Preprocess, seed: int
) -> tuple[ViewGroups, ViewGroups | None]:
    """The recipe's operations as one pipeline, and one for the small views, if any.

    Raises:
        InputError: an operation that does not fit the source.
    """
    height, width = (side // preprocess.pool for side in _sample_size(source))
    bands = len(source.good_bands) if isinstance(source, SceneSource) else source.in_chans

    def group(views: Sequence[int], key: str) -> ViewGroups:
        alike: dict[str, list[int]] = {}
        for view in views:
            alike.setdefault(json.dumps(augment.of_view(view)), []).append(view)
        built = []
        for text, numbers in alike.items():
            operations = _for_source(json.loads(text), source, preprocess, min(height, width))
            try:
                built.append(build_views(operations, size=(height, width), in_chans=bands, views=numbers, seed=seed))
            except ValueError as error:
                raise InputError(str(error).replace("augment.", f"{key}.", 1)) from None
        sizes = {views.output_size((height, width)): views.views[0] for views in built}
        if len(sizes) > 1:
            shown = ", ".join(f"view {view} is {h}x{w}" for (h, w), view in sizes.items())
            raise InputError(f"{key}.overrides gives views of several sizes ({shown}): use augment.small_views")
        return ViewGroups(built)

    small = augment.small_views
    large = group(range(augment.views), "augment")
    return large, group(range(augment.views, augment.total_views), "augment.small_views") if small else None


def _for_source(
    operations: dict[str, dict[str, Any]], source: Source, preprocess: Preprocess, side: int
) -> dict[str, dict[str, Any]]:
    """Arguments of operations, with what only the source knows: sizes, wavelengths, noise of bands."""
    if "neighbour_mixture" in operations:
        del operations["neighbour_mixture"]["shift"]
    if "resized_crop" in operations and operations["resized_crop"]["size"] is None:
        operations["resized_crop"]["size"] = side
    scene = source if isinstance(source, SceneSource) else None
    for name in ("color_jitter", "solarize"):
        if name in operations and source.in_chans in (1, 3) and not _in_unit_range(source, preprocess):
            raise InputError(
                f"augment.{name} works on values from 0 to 1, but with data.normalize={preprocess.normalize} they are "
                f"not: set data.normalize=unit or minmax, or leave it out"
            )
    for name in ("spectral_shift", "spectral_smoothing"):
        if name in operations and scene:
            axis = scene.wavelengths or range(scene.in_chans)
            operations[name]["wavelengths"] = [axis[band] for band in scene.good_bands]
            operations[name]["unit"] = "nm" if scene.wavelengths else "bands"
    if "noise" in operations:
        snr = operations["noise"].pop("snr")
        sd = operations["noise"]["sd"]
        if snr is not None:
            if scene is None:
                raise InputError(f"augment.noise.snr takes a scene, but the source is {source.name}: set sd instead")
            operations["noise"]["sd"] = noise_in_units(scene, preprocess, snr)
        elif scene and isinstance(sd, list) and len(sd) == scene.in_chans:
            operations["noise"]["sd"] = [sd[band] for band in scene.good_bands]
    return operations


def _check_reach(scene: SceneSource, key: str, value: int, most: int) -> None:
    """Raise an InputError if more pixels are meant than the scene has in a direction."""
    if value > most:
        raise InputError(
            f"augment.{key} is {value}, but {scene.name} has {scene.height}x{scene.width} pixels: use {most} or less"
        )


def _in_unit_range(source: Source, preprocess: Preprocess) -> bool:
    """Whether the units that operations work in lie in 0..1; of floats that are taken as they are, the user knows."""
    return preprocess.normalize in ("unit", "minmax") or (preprocess.normalize == "none" and source.value_max is None)


def _sample_size(source: Source) -> tuple[int, int]:
    """Height and width of a sample in pixels."""
    height, width = source[torch.zeros(1, dtype=torch.int64)].shape[-2:]
    return height, width
