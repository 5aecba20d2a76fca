import json
import shutil

import pytest
from PIL import Image

from simclr.eval.commands import run_few_shot, run_linear_eval
from simclr.eval.maps.belonging import belongs, drawn_for
from simclr.eval.report.gather import gather
from tests.eval.conftest import make_scene_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of a scene of four fields, judged once; its maps stand beside both results."""
    folder = tmp_path_factory.mktemp("scene")
    make_scene_run(folder, side=24)
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
