"""Scenes of the proving ground: three, halves of one, and what another day or instrument would have made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import median_filter

from simclr.data.scenes.indian_pines import load_indian_pines
from simclr.data.scenes.scene import SceneSource
from simclr.data.scenes.scene_file import load_scene

LEAST_PIXELS = 60
NOISE = 0.02
DRIFT = (0.8, 1.25)
KEPT = 0.35


class Scene(NamedTuple):
    """A scene in arrays.

    Attributes:
        cube: (H, W, C), uint16 or float32.
        labels: (H, W) int64, class 1..K, 0 = unlabelled; only the judge sees them.
        unknown: whether each class is left out in turn, to be found as an unknown one.
    """

    cube: np.ndarray
    labels: np.ndarray
    unknown: bool = False


class NotAtHandError(Exception):
    """The files of a set are not there; the message says which."""


def indian_pines(folder: Path | None) -> Scene:
    """AVIRIS, 145 x 145 pixels, 200 bands, 16 classes: what tensorly ships."""
    return _arrays(load_indian_pines())


def samson(folder: Path | None) -> Scene:
    """95 x 95 pixels, 156 bands, soil, tree and water; each class is left out in turn."""
    return _of(at_hand(folder, "samson/Samson.mat"), at_hand(folder, "samson/samson_gt.npy"))._replace(unknown=True)


def jasper_ridge(folder: Path | None) -> Scene:
    """100 x 100 pixels, 198 bands, tree, water, dirt and road."""
    return _of(at_hand(folder, "jasper_ridge/JasperRidge2_R198.mat"), at_hand(folder, "jasper_ridge/jasper_gt.npy"))


def west(scene: Scene) -> Scene:
    """The left half."""
    return _half(scene, slice(None, scene.cube.shape[1] // 2))


def east(scene: Scene) -> Scene:
    """The right half."""
    return _half(scene, slice(scene.cube.shape[1] // 2, None))


def second_bands(scene: Scene) -> Scene:
    """Every second band."""
    return scene._replace(cube=scene.cube[:, :, ::2], unknown=False)


def noisy(scene: Scene) -> Scene:
    """White noise of ``NOISE`` of each band's mean; float32."""
    cube = scene.cube.astype(np.float32)
    noise = np.random.default_rng(0).standard_normal(cube.shape, dtype=np.float32)
    return scene._replace(cube=cube + noise * NOISE * cube.mean((0, 1)), unknown=False)


def drifting(scene: Scene) -> Scene:
    """A gain that rises across the columns, from ``DRIFT[0]`` to ``DRIFT[1]`` by equal ratios; float32."""
    gain = np.geomspace(*DRIFT, scene.cube.shape[1], dtype=np.float32)
    return scene._replace(cube=scene.cube.astype(np.float32) * gain[None, :, None], unknown=False)


def clear(scene: Scene) -> Scene:
    """As a better sensor would see it: ``KEPT`` of what tells a pixel from the median of 5 x 5 around it; float32."""
    cube = scene.cube.astype(np.float32)
    around = median_filter(cube, size=(5, 5, 1))
    return scene._replace(cube=around + np.float32(KEPT) * (cube - around), unknown=False)


VARIANTS: dict[str, Callable[[Scene], Scene]] = {"half-bands": second_bands, "noise": noisy, "drift": drifting}


def at_hand(folder: Path | None, name: str) -> Path:
    """A file of the data folder.

    Raises:
        NotAtHandError: without it, or without the folder.
    """
    if folder is None:
        raise NotAtHandError("SIMCLR_DATA names no folder")
    if not (folder / name).exists():
        raise NotAtHandError(f"{folder / name} is not there")
    return folder / name


def save_scene(scene: Scene, folder: Path) -> Path:
    """The cube as ``cube.npy``, which is all that pretraining gets."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "cube.npy", scene.cube)
    return folder / "cube.npy"


def open_scene(scene: Scene, cube: Path, patch_size: int) -> SceneSource:
    """The saved cube as pretraining reads it, with labels."""
    source = load_scene(cube, patch_size=patch_size, layout="HWC", name=cube.parent.name)
    return SceneSource(
        source.cube,
        torch.from_numpy(scene.labels),
        patch_size=source.patch_size,
        name=source.name,
        value_max=source.value_max,
        wavelengths=source.wavelengths,
        bad_bands=source.bad_bands,
    )


def _of(cube: Path, ground_truth: Path) -> Scene:
    return _arrays(load_scene(cube, ground_truth=ground_truth))


def _arrays(source: SceneSource) -> Scene:
    assert source.labels is not None
    values = source.cube.permute(1, 2, 0).contiguous().numpy()
    labels = source.labels.view(source.height, source.width).numpy() + 1
    return Scene(values.astype(np.uint16) if source.value_max == 65535 else values, labels)


def _half(scene: Scene, columns: slice) -> Scene:
    labels = scene.labels[:, columns].copy()
    rare = np.bincount(labels.ravel()) < LEAST_PIXELS
    labels[rare[labels]] = 0
    return Scene(np.ascontiguousarray(scene.cube[:, columns]), labels)
