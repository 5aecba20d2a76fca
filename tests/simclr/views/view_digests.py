"""The views that a process draws, as digests: what other processes, batches and devices are compared with.

Run as ``view_digests.py FOLDER MODE`` it prints those of a process that is alone.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch

from simclr.data.order import SampleOrder
from simclr.recipe.read import check_recipe
from simclr.recipe.schema import Recipe
from simclr.views.inputs import build_inputs

PHOTOGRAPH = {
    "affine": {"p": 0.5},
    "elastic": {"p": 0.5},
    "resized_crop": {"size": 13, "scale": [0.08, 1.0]},
    "horizontal_flip": {"p": 0.5},
    "vertical_flip": {"p": 0.5},
    "rotation90": {"p": 0.6},
    "color_jitter": {"brightness": 0.8, "contrast": 0.8, "saturation": 0.8, "hue": 0.2, "p": 0.8},
    "grayscale": {"p": 0.2},
    "blur": {"kernel_size": 3, "p": 0.5},
    "solarize": {"p": 0.2},
    "cutout": {"p": 0.5},
    "overrides": [{"views": [1], "blur": {"p": 0.1}}],
    "small_views": {"count": 2, "resized_crop": {"size": 6, "scale": [0.05, 0.3]}},
}
SCENE = {
    "center_shift": {"shift": 3, "candidates": 3, "window": 3},
    "neighbour_mixture": {"shift": 2, "p": 0.5},
    "resized_crop": {"size": 5, "keep_center": True},
    "horizontal_flip": {"p": 0.5},
    "vertical_flip": {"p": 0.5},
    "rotation90": {"p": 1.0},
    "morphology": {"p": 0.5},
    "spectral_shift": {"shift": 3.0, "p": 0.5},
    "spectral_smoothing": {"sigma": [5.0, 15.0], "p": 0.5},
    "radiation": {"p": 0.6},
    "spectral_jitter": {"p": 0.7},
    "band_dropout": {"window": 5, "p": 0.5},
    "noise": {"p": 0.5},
    "blur": {"kernel_size": 3, "p": 0.3},
    "cutout": {"p": 0.5},
}
MODES = ("exact", "fast")


def recipes(folder: Path, modes: tuple[str, ...] = MODES) -> dict[str, Recipe]:
    """All operations on photographs in each mode of the jitter, and all on spectra of 200 bands, some of them bad."""
    rng = np.random.default_rng(0)
    np.save(folder / "photographs.npy", rng.integers(0, 256, (600, 17, 19, 3), dtype=np.uint8))
    np.save(folder / "cube.npy", rng.normal(300, 60, (24, 25, 200)).astype(np.float32))
    photographs = {"source": "arrays", "path": str(folder / "photographs.npy"), "layout": "NHWC"}
    scene = {"source": "scene", "path": str(folder / "cube.npy"), "patch_size": 7}
    scene |= {"bad_bands": [[100, 104]], "wavelengths": [400.0, 2400.0]}
    trees = {
        mode: {
            "data": photographs,
            "augment": PHOTOGRAPH | {"color_jitter": PHOTOGRAPH["color_jitter"] | {"mode": mode}},
        }
        for mode in modes
    }
    if modes == MODES:
        trees["scene"] = {"data": scene, "augment": SCENE}
    return {name: check_recipe(tree | {"seed": 5}) for name, tree in trees.items()}


def digest(view: torch.Tensor) -> str:
    return hashlib.sha256(view.contiguous().numpy().tobytes()).hexdigest()


def digests(folder: Path, modes: tuple[str, ...] = MODES, rank: int = 0, world_size: int = 1) -> dict[str, str]:
    """A digest for each view of the samples that a process takes in the last step of an epoch and the next one."""
    found = {}
    for name, recipe in recipes(folder, modes).items():
        inputs = build_inputs(recipe, torch.device("cpu"))
        order = SampleOrder(len(inputs.source), 36, recipe.seed, rank, world_size)
        for step in (order.steps_per_epoch - 1, order.steps_per_epoch):
            ids = order.at(step)
            for size, draw in (("large", inputs.augment), ("small", inputs.small)):
                views = draw(inputs.source[ids], ids, order.epoch(step)) if draw else []
                for number, view in enumerate(views):
                    for sample, image in zip(ids.tolist(), view):
                        found[f"{name}: step {step}, {size} view {number} of {sample}"] = digest(image)
    return found


if __name__ == "__main__":
    print(json.dumps(digests(Path(sys.argv[1]), (sys.argv[2],))))
