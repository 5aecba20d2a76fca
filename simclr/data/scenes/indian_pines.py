"""The AVIRIS Indian Pines scene that a dependency ships."""

from __future__ import annotations

import numpy as np
import torch

from simclr.data.scenes.scene import SceneSource
from simclr.data.source import as_tensor
from simclr.recipe.scenes import IndianPinesData

INDIAN_PINES_CLASSES = (
    "Alfalfa",
    "Corn-notill",
    "Corn-mintill",
    "Corn",
    "Grass-pasture",
    "Grass-trees",
    "Grass-pasture-mowed",
    "Hay-windrowed",
    "Oats",
    "Soybean-notill",
    "Soybean-mintill",
    "Soybean-clean",
    "Wheat",
    "Woods",
    "Buildings-Grass-Trees-Drives",
    "Stone-Steel-Towers",
)


def open_indian_pines(data: IndianPinesData, part: str) -> SceneSource | None:
    """The scene as a recipe names it; it has no test part."""
    return load_indian_pines(data.patch_size) if part == "train" else None


def load_indian_pines(patch_size: int = 9) -> SceneSource:
    """The AVIRIS Indian Pines scene that tensorly ships (CC BY 3.0): 145x145 pixels, 200 bands, 16 classes.

    The wavelengths are nominal: 220 bands spread evenly from 400 to 2500 nm, less those that water absorbs and the last
    (numbers 104-108, 150-163 and 220, counted from 1).

    Source: Baumgardner, Biehl, Landgrebe (2015), doi:10.4231/R7RX991C.
    """
    from tensorly.datasets import load_indian_pines as load

    bunch = load()
    # tensorly hands out float64; the instrument's counts are 16-bit integers.
    cube, value_max = as_tensor(np.asarray(bunch["tensor"]).astype(np.uint16), "Indian Pines")
    ground_truth = torch.from_numpy(np.asarray(bunch["ticks"][0]).astype(np.int64))
    return SceneSource(
        cube.permute(2, 0, 1),
        ground_truth,
        patch_size=patch_size,
        name="indian-pines",
        class_names=INDIAN_PINES_CLASSES,
        value_max=value_max,
        wavelengths=[400 + band * 2100 / 219 for band in range(219) if not (103 <= band < 108 or 149 <= band < 163)],
    )
