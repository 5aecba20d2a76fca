"""Pretraining by the command line, once."""

import subprocess

import pytest

from benchmarks.quality.contenders import Contender
from benchmarks.quality.ground import ground_of
from benchmarks.quality.judge import judge_encoder
from benchmarks.quality.sets import prepare
from benchmarks.quality.training import code_digest, train
from simclr.errors import InputError

STEP = Contender("step", "image", "bad", "digits", ("train.max_steps=1", "train.warmup_epochs=0"))


@pytest.mark.slow
def test_a_run_is_pretrained_once_and_judged(tmp_path, monkeypatch):
    prepared = prepare("digits", None, tmp_path / "data")
    first = train(STEP, prepared, 0, tmp_path / "run")
    assert (first.verdict, first.feature_dim) == (None, 384)
    places = {(cell.representation, *cell.place) for cell in judge_encoder(first.folder, ground_of(prepared, (0,)))}
    assert len(places) == 2 * 3

    def refuse(*arguments, **keywords):
        raise AssertionError("it was trained again")

    monkeypatch.setattr(subprocess, "run", refuse)
    again = train(STEP, prepared, 0, tmp_path / "run")
    assert again == first._replace(seconds=again.seconds)
    with pytest.raises(AssertionError, match="trained again"):
        train(STEP, prepared, 1, tmp_path / "run")


def test_a_command_that_fails_is_told_by_its_last_line(tmp_path, monkeypatch):
    prepared = prepare("digits", None, tmp_path / "data")
    failed = subprocess.CompletedProcess([], 1, "", "a warning\nsimclr: error: the data is wrong\n")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **keywords: failed)
    with pytest.raises(InputError, match="step on digits failed: simclr: error: the data is wrong"):
        train(STEP, prepared, 0, tmp_path / "run")


def test_the_digest_of_code_is_of_all_that_is_named():
    assert code_digest("augment") != code_digest("augment", "simclr/data")
    assert code_digest("augment/noise.py") != code_digest("augment/blur.py")
