"""A small run that several tests look at."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from simclr.data import open_source
from simclr.data.fitting import fit_preprocess
from simclr.encoder_file import save_encoder
from simclr.models.encoder import random_encoder
from simclr.recipe.read import check_recipe


@pytest.fixture
def scene_run(tmp_path: Path) -> Path:
    """`make_scene_run` in a folder of the test."""
    return make_scene_run(tmp_path)


def make_scene_run(folder: Path, side: int = 16, unknown: Sequence[int] = ()) -> Path:
    """A folder ``run`` with an encoder of a scene of four fields and 4 bands, in cube.npy and truth.npy beside it.

    Args:
        folder: for all of them.
        side: of the scene, in pixels.
        unknown: numbers of classes that the recipe says are unknown.
    """
    g, field = torch.Generator().manual_seed(0), side // 2 - 1
    truth = torch.zeros(side, side, dtype=torch.int64)
    for number, (row, column) in zip((2, 5, 9, 17), ((0, 0), (0, 1), (1, 0), (1, 1))):
        rows, columns = (slice(place * (field + 2), None if place else field) for place in (row, column))
        truth[rows, columns] = number
    cube = (torch.randn(18, 4, generator=g) * 3)[truth] + torch.randn(side, side, 4, generator=g)
    np.save(folder / "cube.npy", cube.numpy())
    np.save(folder / "truth.npy", truth.numpy())
    data = {"source": "scene", "path": str(folder / "cube.npy"), "ground_truth": str(folder / "truth.npy")}
    names = ["corn", "oats", "wheat", "road"]
    checked = check_recipe({"data": {**data, "patch_size": 3, "class_names": names, "unknown": list(unknown)}})
    source = open_source(checked.data)
    options = {"name": "spectral_spatial", "in_chans": 4, "width": 4}
    encoder = random_encoder(0, **options)
    metadata = {
        "encoder": options,
        "feature_dim": encoder.feature_dim,
        "data": checked.data.model_dump(mode="json"),
        "recipe": checked.model_dump(mode="json"),
        "source": {"name": source.name, "samples": side**2, "classes": names, "patch_size": 3},
        "monitor_ids": [],
        "created": "today",
        "git": None,
    }
    (folder / "run").mkdir()
    file = folder / "run" / "encoder.safetensors"
    save_encoder(file, encoder, fit_preprocess(source), metadata, saw=source.sample_hashes())
    return folder / "run"
