import json
import math

import pytest
import torch
from torch import nn

import simclr.pretrain
from simclr import load_encoder
from simclr.errors import DivergenceError
from simclr.pretrain import pretrain
from simclr.recipe.read import read_recipe
from simclr.train.nonfinite import NonFinite


def taken(model, x):
    """The loss of a forward and a backward pass."""
    loss = model(x).square().mean()
    loss.backward()
    return loss.item()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_step_that_is_passed_over_leaves_no_trace(bad):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    judge, x = NonFinite(model, 1, {}), torch.randn(8, 3)
    x[2, 1] = bad
    judge.begin_step()
    loss = taken(model, x)
    assert not model[1].running_mean.isfinite().any()
    assert judge.passes_over(0, loss)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_gradient_alone_is_enough():
    model = nn.Linear(1, 1)
    judge = NonFinite(model, 3, {})
    judge.begin_step()
    model.weight.grad = torch.tensor([[math.nan]])
    assert judge.passes_over(7, 0.5)
    model.weight.grad = torch.tensor([[math.nan]])
    scaled = NonFinite(model, 3, {}, scaled=True)  # by a gradient scaler, which passes over it by itself
    assert not scaled.passes_over(7, 0.5)
    assert scaled.passes_over(8, math.nan)


def test_only_so_many_in_a_row():
    model = nn.Linear(1, 1)
    judge = NonFinite(model, 2, {})
    asked = [math.nan, math.inf, 1.0, math.nan, math.nan, math.nan]
    assert [judge.passes_over(step, loss) for step, loss in enumerate(asked)] == [True, True, False, True, True, False]
    assert judge.too_many
    assert judge.before(5) == "; 2 steps (3, 4) before it too, and passed over"
    assert 5 - judge.updated == 2
    assert judge.describe() == "passed over, as loss or gradients were not finite: 4 steps (0, 1, 3, 4)"
    again = NonFinite(model, 2, {"skipped": 2, "skipped_steps": [3, 4]})
    assert not again.passes_over(5, math.nan)
    assert (again.steps, again.too_many) == ([3, 4], True)
    never = NonFinite(model, 0, {})
    assert (never.passes_over(5, math.nan), never.too_many, 5 - never.updated) == (False, False, 4)
    assert (never.describe(), never.before(5)) == (None, "")


@pytest.mark.usefixtures("fresh_accelerate")
def test_a_run_records_what_it_passed_over_and_goes_on(tmp_path, monkeypatch):
    real, calls = simclr.pretrain.build_loss, []

    def build_loss(*arguments):
        loss = real(*arguments)

        def sometimes_broken(z, ids):
            calls.append(0)
            return loss(z, ids) * (math.nan if len(calls) in (2, 3) else 1)

        return sometimes_broken

    monkeypatch.setattr(simclr.pretrain, "build_loss", build_loss)
    tiny = ["encoder.width=4", "train.batch_size=128", "train.max_steps=5", "monitor.every=1", "monitor.knn=false"]
    said: list[str] = []
    numbers = pretrain(read_recipe("digits", [*tiny, "train.skip_nonfinite=2"]), tmp_path / "run", say=said.append)
    assert load_encoder(tmp_path / "run").metadata.numbers["skipped_steps"] == numbers["skipped_steps"] == [1, 2]
    assert said[-1] == "passed over, as loss or gradients were not finite: 2 steps (1, 2)"
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line.get("skipped") for line in lines] == [None, 1, 2, None, None]
    assert [line["loss"] is None for line in lines] == [False, True, True, False, False]
    calls.clear()
    with pytest.raises(DivergenceError, match=r"the loss is nan at step 2: .*; 1 step \(1\) before it too"):
        pretrain(read_recipe("digits", [*tiny, "train.skip_nonfinite=1"]), tmp_path / "other")
