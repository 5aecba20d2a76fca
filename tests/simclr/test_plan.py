"""A plan's numbers against those of the run that it plans."""

import json

import pytest
import torch

from simclr.plan import PHASES, duration, plan
from simclr.pretrain import pretrain
from simclr.recipe.read import read_recipe
from simclr.run.checkpoint import run_states

pytestmark = pytest.mark.usefixtures("fresh_accelerate")
TINY = [
    "encoder={name: resnet10, stem: small, width: 4}",
    "train.batch_size=128",
    "train.max_steps=6",
    "train.checkpoint_every=3",
]


@pytest.mark.parametrize(
    "more", [[], ["train.micro_batch=50", "augment.small_views={count: 1, resized_crop: {size: 4}}"]]
)
def test_a_plan_is_what_the_run_then_does(tmp_path, monkeypatch, more):
    monkeypatch.chdir(tmp_path)
    recipe = read_recipe("digits", [*TINY, *more])
    numbers = plan(recipe, steps=2)
    assert list(tmp_path.iterdir()) == []
    assert json.loads(json.dumps(numbers)) == numbers
    assert list(numbers["step"]["phases_ms"]) == list(PHASES)
    assert all(value > 0 for value in numbers["step"]["phases_ms"].values())
    assert sum(numbers["step"]["phases_ms"].values()) == pytest.approx(1000 * numbers["step"]["seconds"])
    assert numbers["cost"]["seconds"] == pytest.approx(6 * numbers["step"]["seconds"])

    pretrain(recipe, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert numbers["run"]["steps"] == len(lines)
    assert numbers["run"]["peak_lr"] >= max(line["lr"] for line in lines)
    states = run_states(tmp_path / "run" / "checkpoints")
    state = torch.load(states[-1], weights_only=True)
    assert sum(t.numel() for k, t in state["model"].items() if "encoder" in k and "running" not in k) == pytest.approx(
        numbers["model"]["encoder_parameters"], abs=20
    )
    # Files also hold names and headers.
    assert states[-1].stat().st_size == pytest.approx(numbers["cost"]["run_state_bytes"], rel=0.25)


def test_durations_read_as_a_person_says_them():
    expected = {
        0.352: "0.35 s",
        3.14: "3.1 s",
        75: "75 s",
        250: "4 min 10 s",
        11100: "3 h 05 min",
        187200: "2 days 4 h",
    }
    assert {seconds: duration(seconds) for seconds in expected} == expected
