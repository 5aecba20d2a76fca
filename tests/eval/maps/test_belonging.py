import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from simclr.data import open_source
from simclr.data.fitting import fit_preprocess
from simclr.encoder_file import save_encoder
from simclr.eval.commands import run_few_shot, run_linear_eval
from simclr.eval.maps.belonging import belongs, drawn_for
from simclr.eval.report.gather import gather
from simclr.models.encoder import random_encoder
from simclr.recipe.read import check_recipe


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of a scene of four fields, judged once; its maps stand beside both results."""
    folder = tmp_path_factory.mktemp("scene")
    g = torch.Generator().manual_seed(0)
    truth = torch.zeros(24, 24, dtype=torch.int64)
    truth[:11, :11], truth[:11, 13:], truth[13:, :11], truth[13:, 13:] = 2, 5, 9, 17
    cube = (torch.randn(18, 4, generator=g) * 3)[truth] + torch.randn(24, 24, 4, generator=g)
    np.save(folder / "cube.npy", cube.numpy())
    np.save(folder / "truth.npy", truth.numpy())
    data = {"source": "scene", "path": str(folder / "cube.npy"), "ground_truth": str(folder / "truth.npy")}
    checked = check_recipe({"data": {**data, "patch_size": 3}})
    source = open_source(checked.data)
    options = {"name": "spectral_spatial", "in_chans": 4, "width": 4}
    encoder = random_encoder(0, **options)
    metadata = {
        "encoder": options,
        "feature_dim": encoder.feature_dim,
        "data": checked.data.model_dump(mode="json"),
        "recipe": checked.model_dump(mode="json"),
        "source": {"name": source.name, "samples": 576, "classes": list(source.class_names), "patch_size": 3},
        "monitor_ids": [],
    }
    (folder / "run").mkdir()
    save_encoder(folder / "run" / "encoder.safetensors", encoder, fit_preprocess(source), metadata)
    judge(folder / "run")
    few = {"shots": "3", "seeds": 1, "probes": "ridge", "episodes": 0, "fine_tune": False}
    run_few_shot(folder / "run", unknown="17", **few)
    return folder / "run"


def judge(folder, **options):
    words = {"shots": "3", "seeds": 1, "probes": "ridge", "supervised": False, "cache": False}
    run_linear_eval(folder, **{**words, **options})


@pytest.fixture
def copied(run, tmp_path, monkeypatch):
    monkeypatch.setattr("simclr.eval.report.gather._embedding", lambda *args: None)
    return shutil.copytree(run, tmp_path / "run")


def shown(folder):
    found = gather(folder)
    return [caption.partition(":")[0] for caption in found.pictures], [t for t in found.missing if "map" in t]


def test_the_maps_that_were_drawn_for_the_results_are_shown(copied):
    assert shown(copied) == (["Map", "Map with unknown classes"], [])


def test_a_map_of_an_earlier_evaluation_is_left_out_and_said_so(copied):
    earlier = (copied / "map.png").read_bytes()
    judge(copied, shots="4")
    assert shown(copied) == (["Map", "Map with unknown classes"], [])
    (copied / "map.png").write_bytes(earlier)
    words = "map.png: it was not drawn for the result.json that is there; map: simclr linear-eval draws one of a scene"
    assert shown(copied) == (["Map with unknown classes"], [words])


@pytest.mark.parametrize("change", ["result", "few-shot result gone", "no mark", "no picture"])
def test_what_else_may_lie_beside_each_other(copied, change):
    if change == "result":
        content = json.loads((copied / "result.json").read_text())
        (copied / "result.json").write_text(json.dumps({**content, "command": "another"}))
        expected = ["Map with unknown classes"]
    elif change == "few-shot result gone":
        (copied / "few-shot.json").unlink()
        expected = ["Map"]
    elif change == "no mark":  # as of earlier versions
        Image.open(copied / "map.png").save(copied / "map.png")
        expected = ["Map with unknown classes"]
    else:
        (copied / "unknown-map.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
        expected = ["Map"]
    found, missing = shown(copied)
    assert found == expected
    assert len(missing) == 1


def test_the_mark_is_the_hash_of_the_result(copied):
    with Image.open(copied / "map.png") as picture:
        assert drawn_for(copied / "result.json").items() <= picture.info.items()
    assert not belongs(copied / "map.png", copied / "few-shot.json")
    assert not belongs(copied / "map.png", copied / "nothing.json")
