"""From the recipe's sections to objects: the only place that unpacks a recipe into plain arguments."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from augment.pipeline import Views, build_views
from simclr.data import Neighbours, SceneSource, Source, fit_preprocess, open_source
from simclr.data.preprocess import Preprocess
from simclr.encoder import build_encoder, seeded
from simclr.errors import InputError
from simclr.head import ProjectionHead
from simclr.model import SimCLR
from simclr.schema import Augment, Data, Encoder, Head, Loss, Recipe


class Inputs(NamedTuple):
    """What the loop draws its views from.

    Attributes:
        source: what the loop indexes; of a scene, the cube already in the units of the operations.
        augment: (batch of ``source``, ids, epoch) → views (V, b, C, h, w), ready for the encoder.
        preprocess: raw → encoder input, saved with the encoder.
        plain: what `embed` takes batches of.
        embed: batch of ``plain`` → encoder input, without augmentation.
    """

    source: Source
    augment: Views
    preprocess: Preprocess
    plain: Source
    embed: Callable[[Tensor], Tensor]


def build_source(data: Data, part: str = "train", device: torch.device | str = "cpu") -> Source | None:
    """Open the ``train`` or ``test`` part of the recipe's data; None when it has no test part of its own."""
    options = data.model_dump(exclude={"normalize", "whiten", "pool", "eval_size", "mean", "std", "resident_limit"})
    limit = None if data.resident_limit is None else int(data.resident_limit * 2**30)
    return open_source(**options, part=part, device=device, resident_limit=limit)


def build_inputs(recipe: Recipe, device: torch.device) -> Inputs:
    """Source, fitted preprocessing and augmentation of a recipe, on the device.

    Raises:
        InputError: data that cannot be read, or an operation that does not fit it.
    """
    raw = build_source(recipe.data, device=device)
    assert raw is not None
    if recipe.augment.center_shift and not isinstance(raw, SceneSource):
        raise InputError(f"augment.center_shift moves a patch in its scene, but data.source is {recipe.data.source}")
    if recipe.data.pool > 1 and not isinstance(raw, SceneSource):
        raise InputError(f"data.pool averages the cells of a scene's patch, but data.source is {recipe.data.source}")
    size = _view_size(recipe.augment, recipe.data, raw)
    preprocess = fit_preprocess(
        raw,
        recipe.data.normalize,
        recipe.data.whiten,
        mean=recipe.data.mean,
        std=recipe.data.std,
        pool=recipe.data.pool,
        # Crops magnify what they show, so whole images are embedded at their own size, not at that of the crops
        # (Touvron et al., "Fixing the train-test resolution discrepancy", NeurIPS 2019): 4 points on CIFAR-10.
        input_size=None if isinstance(raw, SceneSource) else recipe.data.eval_size or min(_sample_size(raw)),
    ).to(device)
    return _connect(recipe.augment, raw, preprocess, size, recipe.seed)


def build_training_views(recipe: Recipe, raw: Source, preprocess: Preprocess) -> Inputs:
    """A recipe's augmentation as supervised training takes it: one view of a sample, in which its label still holds.

    The same operations with a fitted preprocessing; ``center_shift`` is left out, since a neighbour may be of another
    class.

    Args:
        recipe: what the encoder was pretrained with.
        raw: the labelled samples.
        preprocess: the encoder's.

    Raises:
        InputError: an operation that does not fit the source.
    """
    augment = recipe.augment.model_copy(update={"views": 1, "center_shift": None})
    return _connect(augment, raw, preprocess, _view_size(augment, recipe.data, raw), recipe.seed)


def _connect(augment: Augment, raw: Source, preprocess: Preprocess, size: int, seed: int) -> Inputs:
    """Raw samples, augmentation and preprocessing, joined at the units that operations work in."""
    views = build_augment(augment, raw, preprocess.pool, size, seed=seed)
    if not isinstance(raw, SceneSource):
        views.before, views.after = preprocess.to_units, preprocess.finish
        return Inputs(raw, views, preprocess, plain=raw, embed=preprocess)
    # A per-pixel linear map commutes with moving pixels, so a scene is mapped once instead of patch by patch:
    # entirely when no operation needs the bands as they are, else as far as the units that operations work in.
    plain = source = preprocess.scene(raw)
    if views.band_operations:
        views.after = preprocess.finish
        source = raw.mapped(preprocess.to_units).pooled(preprocess.pool)
    if augment.center_shift:
        views.neighbours = Neighbours(plain, source, **augment.center_shift.model_dump())
    return Inputs(source, views, preprocess, plain=plain, embed=nn.Identity())


def build_augment(augment: Augment, source: Source, pool: int, size: int, seed: int) -> Views:
    """The recipe's operations as one pipeline.

    Raises:
        InputError: an operation that does not fit the source.
    """
    operations = augment.model_dump(exclude={"views", "center_shift"}, exclude_none=True)
    if "resized_crop" in operations:
        operations["resized_crop"]["size"] = size
    try:
        height, width = (side // pool for side in _sample_size(source))
        square = height if height == width else None
        return build_views(operations, size=square, in_chans=source.in_chans, views=augment.views, seed=seed)
    except ValueError as error:
        raise InputError(f"augment: {error}") from None


def build_model(encoder: Encoder, head: Head, in_chans: int, seed: int) -> SimCLR:
    """Encoder and head with random weights that depend on the seed alone."""
    with seeded(seed):
        f = build_encoder(in_chans=in_chans, **encoder.model_dump())
        dim: int = f.feature_dim  # type: ignore[assignment]
        return SimCLR(f, ProjectionHead(dim, head.hidden_dim, head.out_dim, head.layers))


def build_loss_options(loss: Loss, source: Source) -> Callable[[Tensor], dict[str, Any]]:
    """From the ids of a process's images to the keyword arguments of `nt_xent`.

    Raises:
        InputError: distances in data that is no scene.
    """
    options: dict[str, Any] = {"temperature": loss.temperature, "decoupled": loss.decoupled}
    distance = loss.negative_distance
    if distance is None:
        return lambda ids: options
    if not isinstance(source, SceneSource):
        raise InputError(f"loss.negative_distance is {distance}, but {source.name} is no scene: leave it out")

    def apart(a: Tensor, b: Tensor) -> Tensor:
        return ((a[:, None, 0] - b[:, 0]).abs() >= distance) | ((a[:, None, 1] - b[:, 1]).abs() >= distance)

    return lambda ids: {**options, "keys": source.positions(ids), "negative_weight": apart}


def _view_size(augment: Augment, data: Data, source: Source) -> int:
    """Side of a view in pixels, or in cells of a pooled scene."""
    if augment.resized_crop and augment.resized_crop.size:
        return augment.resized_crop.size
    return min(_sample_size(source)) // data.pool


def _sample_size(source: Source) -> tuple[int, int]:
    """Height and width of a sample in pixels."""
    height, width = source[torch.zeros(1, dtype=torch.int64)].shape[-2:]
    return height, width
