"""A run state of another network, optimizer or precision is told before the run's folder changes."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from simclr.errors import InputError
from simclr.finetune import fine_tune
from simclr.pretrain import pretrain
from simclr.recipe.read import apply_overrides, check_tuning, read_recipe
from simclr.run.checkpoint import run_states
from simclr.run.fitting import check_fits
from simclr.train.optimizer import build_optimizer

ALONE = SimpleNamespace(scaler=None)


class Model(nn.Module):
    def __init__(self, width=3, dtype=torch.float32):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(2, width, dtype=dtype), nn.BatchNorm1d(width, dtype=dtype))


def learned(optimizer="lars", momentum=0.9, **changes):
    model = Model(**changes)
    updated = build_optimizer(optimizer, [model], lr=0.1, weight_decay=1e-4, momentum=momentum)
    model.encoder(torch.randn(4, 2).to(model.encoder[0].weight.dtype)).sum().backward()
    updated.step()
    return model, updated


def state_of(model, optimizer, **more):
    return {"step": 7, "model": model.state_dict(), "optimizer": optimizer.state_dict(), **more}


@pytest.mark.parametrize("optimizer", ["lars", "sgd", "adamw"])
@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_a_state_fits_what_it_was_made_of(optimizer, momentum):
    model, updated = learned(optimizer, momentum)
    best = {"weights": model.encoder.state_dict()}
    check_fits(state_of(model, updated, best=best), *learned(optimizer, momentum), ALONE, "runs/a")
    check_fits({"step": 0}, model, updated, ALONE, "runs/a")


@pytest.mark.parametrize(
    ("there", "here"), [(a, b) for a in ("lars", "sgd", "adamw") for b in ("lars", "sgd", "adamw")]
)
def test_no_optimizer_takes_the_state_of_another(there, here):
    if there != here:
        with pytest.raises(InputError, match="the run state of step 7 in runs/a is of another model: its optimizer"):
            check_fits(state_of(*learned(there)), *learned(here), ALONE, "runs/a")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (state_of(*learned(width=4)), r"its encoder.0.weight is \(4, 2\) of float32, here it is \(3, 2\) of float32"),
        (state_of(*learned(dtype=torch.float64)), r"its encoder.0.weight is \(3, 2\) of float64, here"),
        (state_of(*learned(), scaler={"scale": 2.0}), "it holds a gradient scaler, which train.precision=fp16 has"),
        (state_of(*learned(), best={"weights": {}}), None),
        (state_of(*learned(), best={"weights": {"0.weight": torch.zeros(3, 2)}}), "it has no 0.bias"),
        ({**state_of(*learned()), "model": {**Model().state_dict(), "more": torch.zeros(1)}}, "it has a more"),
    ],
)
def test_what_differs_is_said(state, said):
    if said is None:
        return check_fits(state, *learned(), ALONE, "runs/a")
    with pytest.raises(InputError, match=said):
        check_fits(state, *learned(), ALONE, "runs/a")
    return None


def fewer_tensors(optimizer):
    groups = [{**group, "params": group["params"][:-1]} for group in optimizer["param_groups"]]
    return {**optimizer, "param_groups": groups}


def test_groups_and_what_is_kept_of_each_tensor_are_compared():
    state = state_of(*learned())
    with pytest.raises(InputError, match="its optimizer has groups of 0 and 2 tensors, here they are of 1 and 3"):
        check_fits({**state, "optimizer": fewer_tensors(state["optimizer"])}, *learned(), ALONE, "runs/a")
    state["optimizer"]["state"][0]["momentum_buffer"] = torch.zeros(5, 2)
    with pytest.raises(InputError, match=r"its optimizer keeps \(5, 2\) for a tensor of \(3, 2\)"):
        check_fits(state, *learned(), ALONE, "runs/a")


def files(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.usefixtures("fresh_accelerate")
@pytest.mark.parametrize("kind", ["pretrain", "fine-tune"])
def test_nothing_in_the_folder_has_changed_by_then(tmp_path, kind):
    """An older state, which remembers no recipe: it is newer than lines of metrics that would be cut."""
    if kind == "pretrain":
        small = ["encoder.width=4", "train.batch_size=64", "monitor.knn=false", "train.max_steps=2"]
        train, asked = pretrain, read_recipe("digits", [*small, "train.checkpoint_every=1"])
    else:
        tree = {"data": {"source": "digits"}, "encoder": {"name": "pyramid2", "width": 4}, "objective": {"softmax": {}}}
        train, asked = fine_tune, check_tuning(apply_overrides(tree, ["train.max_steps=2", "train.checkpoint_every=1"]))
    train(asked, tmp_path)
    (tmp_path / "encoder.safetensors").unlink()
    first, last = run_states(tmp_path / "checkpoints")
    last.unlink()
    state = torch.load(first, weights_only=True)
    state["optimizer"]["state"][0] = {"other": torch.zeros(2)}
    torch.save({key: state[key] for key in ("model", "optimizer", "step")}, first)
    before = files(tmp_path)
    with pytest.raises(
        InputError, match=r"the run state of step 1 in .* is of another model: its optimizer keeps other"
    ):
        train(asked, tmp_path, resume=True)
    assert files(tmp_path) == before
