"""Evaluations that are cut off go on; results that stand are not lost."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from simclr.errors import InputError
from simclr.eval import keeping
from simclr.eval.commands import run_few_shot, run_linear_eval
from simclr.eval.probes import score
from simclr.eval.work import journal

LINEAR = {"shots": "3", "seeds": 2, "probes": "ridge,knn"}
QUICK = {"shots": "3", "seeds": 1, "probes": "ridge", "supervised": False}
FIT = score.fit_probe
FEW = {"shots": "3", "seeds": 2, "probes": "ridge", "episodes": 5, "unknown": "17", "steps": 4, "fine_tune": True}


class CutError(Exception):
    pass


def found_in(folder, name):
    result = json.loads((folder / name).read_text())
    return {key: value for key, value in result.items() if key not in ("command", "seconds")}


def cut_every(monkeypatch, calls, fits):
    """Lets so many fits through, then ends the evaluation, as a full memory or Ctrl-C may; counts all of them."""
    left = [fits]
    for place in ("linear_eval", "few_shot"):  # whose fits are none of the evaluation
        monkeypatch.setattr(f"simclr.eval.{place}.rehearse", lambda *told: None)

    def counted(*args, **options):
        if left[0] == 0:
            left[0] = fits
            raise CutError
        left[0] -= 1
        calls.append(args[0])
        return FIT(*args, **options)

    monkeypatch.setattr(score, "fit_probe", counted)


def until_it_ends(run, *args, **options):
    for times in range(100):
        try:
            run(*args, **options)
        except CutError:
            continue
        return times
    raise AssertionError("it never ends")


@pytest.mark.parametrize(
    ("run", "name", "options", "picture"),
    [
        (run_linear_eval, "result.json", QUICK, "map.png"),
        pytest.param(run_linear_eval, "result.json", LINEAR, "map.png", marks=pytest.mark.slow),
        pytest.param(run_few_shot, "few-shot.json", FEW, "unknown-map.png", marks=pytest.mark.slow),
    ],
)
def test_what_was_cut_off_goes_on_and_gives_the_same_to_the_last_bit(
    scene_run, tmp_path, monkeypatch, run, name, options, picture
):
    monkeypatch.setattr(journal, "SECONDS", 0.0)
    calls = []
    cut_every(monkeypatch, calls, fits=10_000)
    run(scene_run, output=tmp_path / "whole", **options)
    whole, calls[:] = len(calls), []
    cut_every(monkeypatch, calls, fits=whole // 3)
    assert until_it_ends(run, scene_run, output=tmp_path / "cut", **options) >= 2
    assert found_in(tmp_path / "cut", name) == found_in(tmp_path / "whole", name)
    pictures = [np.asarray(Image.open(tmp_path / folder / picture)) for folder in ("cut", "whole")]
    assert np.array_equal(*pictures)
    assert sorted(os.listdir(tmp_path / "cut")) == sorted(os.listdir(tmp_path / "whole"))
    assert not keeping.parts_file(tmp_path / "cut" / name).exists()
    assert len(calls) == whole  # no fit twice


@pytest.mark.slow
def test_other_options_and_other_code_find_none_of_the_parts(scene_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(journal, "SECONDS", 0.0)
    calls = []
    cut_every(monkeypatch, calls, fits=5)
    options = {**LINEAR, "supervised": False, "output": tmp_path / "a"}
    with pytest.raises(CutError):
        run_linear_eval(scene_run, **options)
    assert keeping.parts_file(tmp_path / "a" / "result.json").is_file()
    monkeypatch.setattr(keeping, "code_hash", lambda: "another")
    calls.clear()
    cut_every(monkeypatch, calls, fits=10_000)
    run_linear_eval(scene_run, **options)
    assert "result.parts.jsonl holds" in capsys.readouterr().err
    # Pretrained, two twins with their own splits, raw, window mean, PCA; two kinds, two seeds, two probes.
    assert len(calls) == 5 * 2 * 2 * 2


@pytest.mark.slow
def test_a_result_that_stands_is_kept_under_its_time_with_its_map(scene_run, tmp_path, capsys):
    options = {**QUICK, "output": tmp_path / "a"}
    run_linear_eval(scene_run, **options)
    before = {file.name: file.read_bytes() for file in (tmp_path / "a").iterdir() if file.is_file()}
    os.utime(tmp_path / "a" / "result.json", (time.time(), 1_700_000_000))
    aside = time.strftime("result-%Y%m%d-%H%M%S.json", time.localtime(1_700_000_000))
    capsys.readouterr()
    run_linear_eval(scene_run, **{**options, "shots": "4"})
    assert f"kept: {aside}, the result.json that stood before" in capsys.readouterr().out
    assert (tmp_path / "a" / aside).read_bytes() == before["result.json"]
    assert (tmp_path / "a" / aside.replace("result", "map").replace("json", "png")).read_bytes() == before["map.png"]
    count = len(list((tmp_path / "a").iterdir()))
    run_linear_eval(scene_run, **{**options, "shots": "5"}, overwrite=True)
    assert len(list((tmp_path / "a").iterdir())) == count
    assert {row["shots"] for row in found_in(tmp_path / "a", "result.json")["rows"]} >= {5}


def test_a_result_whose_end_was_cut_off_is_written_again_and_not_kept_beside_itself(scene_run, tmp_path, monkeypatch):
    options = {**QUICK, "output": tmp_path / "a"}

    def drawn(*told):
        (tmp_path / "a" / ".map.png.x1y2z3.png").write_bytes(b"half")
        raise CutError

    monkeypatch.setattr("simclr.eval.commands._draw_map", drawn)
    with pytest.raises(CutError):
        run_linear_eval(scene_run, **options)
    monkeypatch.undo()
    before = found_in(tmp_path / "a", "result.json")
    run_linear_eval(scene_run, **options)
    assert found_in(tmp_path / "a", "result.json") == before
    assert not [name for name in os.listdir(tmp_path / "a") if name.startswith((".", "result-", "map-"))]
    assert not keeping.parts_file(tmp_path / "a" / "result.json").exists()


def test_a_mistake_leaves_no_parts(scene_run, tmp_path):
    with pytest.raises(InputError, match="the largest"):
        run_linear_eval(scene_run, output=tmp_path / "a", shots="500")
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(scene_run, tmp_path):
    options = ["--shots", "3,5", "--seeds", "3", "--probes", "ridge,logistic,knn"]
    command = [sys.executable, "-m", "simclr", "linear-eval", str(scene_run), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, "--output", str(tmp_path / "whole")], check=True, capture_output=True, env=environment)
    wait, result = 3.0, tmp_path / "cut" / "result.json"
    ended = False  # or killed when all was done
    while not ended:
        process = subprocess.Popen(
            [*command, "--output", str(tmp_path / "cut")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
        )
        try:
            process.communicate(timeout=wait)
            assert process.returncode == 0
            ended = True
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            wait *= 1.2
            ended = result.is_file() and not keeping.parts_file(result).exists()
            assert wait < 600
    assert found_in(tmp_path / "cut", "result.json") == found_in(tmp_path / "whole", "result.json")
    assert sorted(os.listdir(tmp_path / "cut")) == ["features", "map.png", "result.json"]
