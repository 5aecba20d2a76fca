import json
from pathlib import Path

import numpy as np
import pytest

from simclr.errors import InputError
from simclr.eval.commands import run_few_shot
from tests.eval.conftest import make_scene_run

QUICK = {"shots": "3", "seeds": 2, "probes": "ridge", "episodes": 0, "fine_tune": False}


@pytest.fixture
def run(tmp_path: Path):
    """A folder with an encoder of a scene of four fields, whose recipe says that number 17 is unknown."""
    return make_scene_run(tmp_path, unknown=[17])


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
    assert "\nunknown classes: road\n" in printed
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


def test_what_features_have_no_use_for_is_refused(tmp_path):
    np.save(tmp_path / "h.npy", np.random.default_rng(0).normal(size=(20, 4)).astype("float32"))
    np.save(tmp_path / "y.npy", np.arange(20) % 2)
    given = tmp_path / "h.npy", [f"data.labels={tmp_path / 'y.npy'}"]
    useless = {"objectives": "triplet", "steps": 5, "objective_thresholds": False, "fine_tune": True}
    with pytest.raises(
        InputError,
        match=r"h.npy holds features, which cannot be trained: leave --fine-tune, --steps, --objectives and --no-thr",
    ):
        run_few_shot(*given, **{**QUICK, **useless})
    with pytest.raises(InputError, match=r"leave --from-head out$"):
        run_few_shot(*given, from_head=True, **QUICK)
    run_few_shot(*given, output=tmp_path, **QUICK)  # which says that nothing is to be trained
    assert (tmp_path / "few-shot.json").is_file()
