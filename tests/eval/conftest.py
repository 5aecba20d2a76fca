"""A small run that several tests of sets of samples look at."""

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
    """A folder with an encoder of a scene of four fields, 16 x 16 pixels and 4 bands, in cube.npy and truth.npy."""
    g = torch.Generator().manual_seed(0)
    truth = torch.zeros(16, 16, dtype=torch.int64)
    truth[:7, :7], truth[:7, 9:], truth[9:, :7], truth[9:, 9:] = 2, 5, 9, 17
    cube = (torch.randn(18, 4, generator=g) * 3)[truth] + torch.randn(16, 16, 4, generator=g)
    np.save(tmp_path / "cube.npy", cube.numpy())
    np.save(tmp_path / "truth.npy", truth.numpy())
    data = {"source": "scene", "path": str(tmp_path / "cube.npy"), "ground_truth": str(tmp_path / "truth.npy")}
    checked = check_recipe({"data": {**data, "patch_size": 3, "class_names": ["corn", "oats", "wheat", "road"]}})
    source = open_source(checked.data)
    options = {"name": "spectral_spatial", "in_chans": 4, "width": 4}
    encoder = random_encoder(0, **options)
    metadata = {
        "encoder": options,
        "feature_dim": encoder.feature_dim,
        "data": checked.data.model_dump(mode="json"),
        "recipe": checked.model_dump(mode="json"),
        "source": {"name": source.name, "samples": 256, "classes": source.class_names, "patch_size": 3},
        "monitor_ids": [],
        "created": "today",
        "git": None,
    }
    (tmp_path / "run").mkdir()
    file = tmp_path / "run" / "encoder.safetensors"
    save_encoder(file, encoder, fit_preprocess(source), metadata, saw=source.sample_hashes())
    return tmp_path / "run"
