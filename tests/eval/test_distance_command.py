import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simclr.cli import main as cli
from simclr.eval.report.gather import gather, title_of
from simclr.eval.report.page import report_html

QUICK = ("--samples", "40", "--permutations", "19", "--splits", "2")


@pytest.fixture
def simclr(monkeypatch, capsys, tmp_path):
    """Runs simclr distance in a folder of its own: (exit status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["simclr", "distance", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code, *capsys.readouterr()

    return call


def test_two_files_of_features(simclr, tmp_path):
    g = np.random.default_rng(0)
    np.save("a.npy", g.normal(size=(60, 6)))
    np.save("b.npy", g.normal(size=(50, 6)) + 1)
    status, printed, said = simclr("a.npy", "b.npy", *QUICK)
    assert (status, said) == (0, "")
    assert "A is a.npy, B is b.npy" in printed
    assert "A and B differ (p = 0.050)" in printed
    assert "40 of the 60 samples of A were drawn (seed 0)." in printed
    folder = tmp_path / "runs" / "distance-a-b"
    found = json.loads((folder / "distance.json").read_text())
    assert found["command"].startswith("simclr distance a.npy b.npy")
    assert found["rows"][0]["between"]["test"]["samples"] == [40, 40]
    html = (folder / "report.html").read_text()
    assert "How far b.npy lies from a.npy" in html
    assert "data:image/png" in html
    assert "Not in this report" not in html
    assert len(simclr("a.npy", "a.npy", *QUICK, "--output", "same")[1].split("A and B are the same samples")) == 2
    for words, message in (
        (("a.npy", "nothing.npy"), "'nothing.npy' does not exist"),
        (("a.npy", "b.npy", "data.path=c.npy"), "data.path=c.npy is of no use: without an encoder"),
        (("a.npy", "b.npy", "--output", "a.npy"), "--output is a.npy, which is a file"),
        (("a.npy", "b.npy", "--samples", "3"), "'--samples'"),
    ):
        status, _, said = simclr(*words)
        assert (status, said.count("\n")) == (2, 1)
        assert message in said


def test_parts_of_a_scene_beside_baselines_and_the_page_of_the_run(simclr, scene_run):
    status, printed, _ = simclr("run:west", "run:east", *QUICK)
    assert status == 0
    for name in ("pretrained", "random weights", "raw input", "window mean"):
        assert name in printed
    with Image.open("runs/distance-run-west-run-east/distance.png") as picture:
        assert picture.width > 2 * picture.height * 0.8


@pytest.mark.slow
def test_the_page_of_a_run_has_it_too_and_no_picture_of_another_result(simclr, scene_run):
    simclr("run", "cube.npy:road", "data.ground_truth=truth.npy", *QUICK, "--output", "out")
    found = gather(Path("out"))
    title = "How far cube.npy:road lies from run"
    assert title_of(found) == title
    assert f"<h2>{title}</h2>" not in report_html(found, title)
    assert f"<h2>{title}</h2>" in report_html(found, "a run")
    Path("out", "distance.json").write_text(Path("out", "distance.json").read_text() + "\n")
    found = gather(Path("out"))
    assert found.distance.picture is None
    assert found.missing == [
        "distance.png: it is not there, or was not drawn for the distance.json that is: measure again"
    ]
