"""One door to every kind of source: what all share, once the one that a recipe names is open."""

from __future__ import annotations

from typing import Any

import torch

from simclr.data.scenes.bands import band_numbers, wavelengths_of
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.data.stream import StreamSource
from simclr.errors import InputError
from simclr.recipe.data import Data, Feeding
from simclr.recipe.read import check_recipe
from simclr.recipe.scenes import SceneData
from simclr.recipe.sources import SOURCES
from simclr.registry import load

PARTS = ("train", "test")


def open_source(
    data: Data | None = None, part: str = "train", device: torch.device | str = "cpu", **keys: Any
) -> Source | None:
    """Opens one part of a source.

    Args:
        data: the section of a recipe that says which one.
        part: "train" or "test".
        device: where resident samples lie.
        keys: those of such a section, instead of ``data``.

    Returns:
        The source, or None for part="test" where the source has no test part of its own.

    Raises:
        InputError: for everything that the user can mend.

    Example:
        >>> scene = open_source(source="scene", path="cube.npy", ground_truth="classes.npy", patch_size=9)
    """
    if data is None:
        data = check_recipe({"data": keys}).data
    elif keys:
        raise InputError(f"data is given, and so are {', '.join(keys)}: give one of the two.")
    if part not in PARTS:
        raise InputError(f"part is {part!r}: choose one of {', '.join(PARTS)}.")
    source: Source | None = load(SOURCES[data.source].opener)(data, part)
    if isinstance(source, SceneSource) and isinstance(data, SceneData):
        source = _with_bands(source, data)
    if isinstance(source, StreamSource) and _is_resident(source, data.feeding(), torch.device(device)):
        source = source.load(data.workers)
    return None if source is None else source.to(device)


def _with_bands(scene: SceneSource, data: SceneData) -> SceneSource:
    """The scene with what the recipe says of its bands, if its patches fit into it."""
    side = min(scene.height, scene.width)
    if data.patch_size > side:
        raise InputError(
            f"data.patch_size is {data.patch_size}, but {scene.name} has {scene.height}x{scene.width} pixels: "
            f"use {side - 1 + side % 2} or less, an odd number"
        )
    if data.wavelengths is None and not data.bad_bands:
        return scene
    known = scene.wavelengths if data.wavelengths is None else wavelengths_of(data.wavelengths, scene.in_chans)
    bad = {*scene.bad_bands, *band_numbers(data.bad_bands, scene.in_chans)}
    return scene.with_bands(known, sorted(bad))


def _is_resident(source: StreamSource, feeding: Feeding, device: torch.device) -> bool:
    """Whether all samples are kept in memory: as asked, or where they fit."""
    if feeding.feed != "auto":
        return feeding.feed == "resident"
    limit = feeding.limit
    if limit is None:
        limit = torch.cuda.mem_get_info(device)[0] // 4 if device.type == "cuda" else 4 << 30
    return source.nbytes <= limit
