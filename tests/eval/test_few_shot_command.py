import json
from pathlib import Path

import numpy as np
import pytest
import torch

from simclr.data import open_source
from simclr.data.fitting import fit_preprocess
from simclr.encoder_file import save_encoder
from simclr.errors import InputError
from simclr.eval.commands import run_few_shot
from simclr.models.encoder import random_encoder
from simclr.recipe.read import check_recipe

QUICK = {"shots": "3", "seeds": 2, "probes": "ridge", "episodes": 0, "fine_tune": False}


@pytest.fixture
def run(tmp_path: Path):
    """A folder with an encoder of a scene of four fields, whose recipe says that number 17 is unknown."""
    g = torch.Generator().manual_seed(0)
    truth = torch.zeros(16, 16, dtype=torch.int64)
    truth[:7, :7], truth[:7, 9:], truth[9:, :7], truth[9:, 9:] = 2, 5, 9, 17
    cube = (torch.randn(18, 4, generator=g) * 3)[truth] + torch.randn(16, 16, 4, generator=g)
    np.save(tmp_path / "cube.npy", cube.numpy())
    np.save(tmp_path / "truth.npy", truth.numpy())
    names = ["corn", "oats", "wheat", "road"]
    data = {"source": "scene", "path": str(tmp_path / "cube.npy"), "ground_truth": str(tmp_path / "truth.npy")}
    checked = check_recipe({"data": {**data, "patch_size": 3, "class_names": names, "unknown": [17]}})
    source = open_source(checked.data)
    options = {"name": "spectral_spatial", "in_chans": 4, "width": 4}
    encoder = random_encoder(0, **options)
    metadata = {
        "encoder": options,
        "feature_dim": encoder.feature_dim,
        "data": checked.data.model_dump(mode="json"),
        "recipe": checked.model_dump(mode="json"),
        "source": {"name": source.name, "samples": 256, "classes": names, "patch_size": 3},
        "monitor_ids": [],
        "created": "today",
        "git": None,
    }
    (tmp_path / "run").mkdir()
    save_encoder(
        tmp_path / "run" / "encoder.safetensors", encoder, fit_preprocess(source), metadata, saw=source.sample_hashes()
    )
    return tmp_path / "run"


def unknown_of(folder):
    found = json.loads((folder / "few-shot.json").read_text())
    return [s["unknown"] for s in found["splits"] if s["unknown"]], found


@pytest.mark.slow
def test_the_recipe_says_which_classes_are_unknown_unless_the_command_does(run, tmp_path, capsys):
    run_few_shot(run, **QUICK)
    unknown, found = unknown_of(run)
    assert unknown == [["road"], ["road"]]
    assert found["transductive"] is True
    # 49 pixels of each of three known classes, 3 of each learned from; and 49 of the unknown one.
    assert [s["test"] for s in found["splits"]] == [138, 138, 187, 187]
    assert (run / "unknown-map.png").read_bytes()[:4] == b"\x89PNG"
    printed = capsys.readouterr().out
    assert "unknown classes: road\nunknown classes: %" in printed
    assert "test pixels inside / touching a training patch" in printed
    run_few_shot(run, unknown="Oats, 17", output=tmp_path / "a", **QUICK)
    assert unknown_of(tmp_path / "a")[0] == [["oats", "road"]] * 2
    run_few_shot(run, unknown_classes=1, output=tmp_path / "b", **QUICK)
    assert len(unknown_of(tmp_path / "b")[0]) == 2
    run_few_shot(run, ["data.unknown=[]"], output=tmp_path / "c", **QUICK)
    assert unknown_of(tmp_path / "c")[0] == []


def test_a_mistake_is_one_line_and_writes_nothing(run):
    before = sorted(run.iterdir())
    for match, options in (
        ("'18' is no class of .*numbers 2 to 17", {"unknown": "18"}),
        ("'water' is no class", {"unknown": "water"}),
        ("fewer than 2 classes stay known", {"unknown": "corn,oats,wheat"}),
        ("fewer than 2 classes stay known", {"unknown": "2,5,9,17"}),
        ("not both", {"unknown": "17", "unknown_classes": 1}),
        ("3 of 4 classes should be unknown", {"unknown_classes": 3}),
        ("ways is 11, but there are 3 classes: give 3 ways or fewer", {"ways": 11, "episodes": 5}),
        ("give 46 queries or fewer", {"queries": 50, "episodes": 5}),
        ("the largest, corn, has 49: give 24", {"shots": "25"}),
        ("--shots is '0'", {"shots": "0"}),
        ("no probe 'svm'", {"probes": "svm"}),
        ("'blok'", {"split": "blok"}),
        ("batch_norm is 'some'", {"fine_tune": True, "batch_norm": "some"}),
        ("layer_decay is 2", {"fine_tune": True, "layer_decay": 2.0}),
    ):
        with pytest.raises(InputError, match=match) as caught:
            run_few_shot(run, **{**QUICK, **options})
        assert "\n" not in str(caught.value)
        assert sorted(run.iterdir()) == before
    with pytest.raises(InputError, match="give --output"):
        run_few_shot(run, ["data.patch_size=5"], **QUICK)
