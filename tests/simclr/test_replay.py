import re

import pytest
import torch

from simclr.augment.view_groups import ViewGroups
from simclr.build import build_model
from simclr.errors import DivergenceError, InputError
from simclr.finetune import fine_tune
from simclr.pretrain import pretrain
from simclr.recipe.read import apply_overrides, check_tuning, read_recipe
from simclr.replay import replay
from simclr.run.checkpoint import DIVERGED
from simclr.train.optimizer import set_lr

pytestmark = pytest.mark.usefixtures("fresh_accelerate")
TINY = ["encoder.width=4", "train.batch_size=128", "train.max_steps=6", "monitor.knn=false", "train.checkpoint_every=2"]


def breaks_at(monkeypatch, what):
    """A projection head that gives infinity in some of its calls, counted from 1."""
    calls = []

    def build(*arguments):
        model = build_model(*arguments)
        layer = [m for m in model.head.modules() if isinstance(m, torch.nn.Linear)][-1]

        def hook(module, given, output):
            calls.append(0)
            return output * torch.inf if len(calls) in what else output

        layer.register_forward_hook(hook)
        return model

    monkeypatch.setattr("simclr.build.build_model", build)
    return calls


def test_the_step_that_diverged_is_made_again_and_the_first_module_named(tmp_path, monkeypatch):
    calls = breaks_at(monkeypatch, {4})
    with pytest.raises(DivergenceError, match=r"at step 3: .*00002.pt; simclr replay .*run makes that step again"):
        pretrain(read_recipe("digits", [*TINY, "train.micro_batch=128"]), tmp_path / "run")
    calls[:] = [0] * 3
    said = []
    found = replay(tmp_path / "run", said.append)
    assert found[0].startswith("the output of head.")
    assert "(Linear), for 256 of 256 views" in found[0]
    assert "the loss is nan" in found
    assert said[0].startswith("step 3 (epoch 0) of 128 samples: the output of head.")


def test_without_that_state_all_steps_since_the_last_one_are_made(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.lr=1e30", "train.warmup_epochs=0", "train.optimizer=sgd"])
    with pytest.raises(DivergenceError):
        pretrain(recipe, tmp_path / "run")
    said = []
    (tmp_path / "run" / "checkpoints" / DIVERGED).unlink(missing_ok=True)
    found = replay(tmp_path / "run", said.append)
    steps = read_recipe("digits", list(TINY)).train.max_steps
    assert said[0] == f"no state of a step that diverged was left: all {steps} steps from 0 on, until one is not finite"
    assert found


def test_a_run_without_fault_is_found_without_fault(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=4", "train.checkpoint_keep=9"])
    pretrain(recipe, tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "step-00000004.pt").unlink()
    said = []
    assert replay(tmp_path / "run", said.append) == []
    assert said[-1] == "all is finite from step 2 to 3 here"


TUNED = {
    "data": {"source": "digits"},
    "augment": {"noise": {"sd": 0.1, "p": 0.5}},
    "encoder": {"name": "pyramid2", "width": 4},
    "train": {"max_steps": 6, "classes": 10, "checkpoint_every": 2},
    "objective": {"triplet": {}},
}


def diverges(kind, folder, *overrides):
    """What a run of pretraining or of fine-tuning says in the end."""
    tuned = apply_overrides(TUNED, overrides)
    asked = read_recipe("digits", [*TINY, *overrides]) if kind == "pretrain" else check_tuning(tuned)
    with pytest.raises(DivergenceError) as caught:
        (pretrain if kind == "pretrain" else fine_tune)(asked, folder)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["pretrain", "fine-tune"])
def test_run_and_replay_name_the_same_step_and_the_same_samples(tmp_path, monkeypatch, kind):
    real = ViewGroups.forward

    def broken(self, images, ids, epoch):
        views = real(self, images, ids, epoch)
        views[0, ids % 20 == 7] = torch.nan  # some of every batch
        return views

    monkeypatch.setattr(ViewGroups, "forward", broken)
    message = diverges(kind, tmp_path, "train.skip_nonfinite=2")
    named = re.search(r"^the loss is nan at step 2: (views hold NaN or infinity, of \d+ samples: [\d, …]*\d)", message)
    assert named
    assert "; 2 steps (0, 1) before it too, and passed over; last good run state: " in message
    said: list[str] = []
    found = replay(tmp_path, said.append)
    assert found[0].startswith(named[1])
    assert said[0].startswith(f"step 2 (epoch 0) of {40 if kind == 'fine-tune' else 128} samples: {named[1]}")
    # Without its state, and that after the steps which were passed over: the first of them.
    file = tmp_path / "checkpoints" / DIVERGED
    (tmp_path / "checkpoints" / "step-00000002.pt").unlink()
    file.write_bytes(file.read_bytes()[:-40])
    said.clear()
    assert replay(tmp_path, said.append)
    assert said[0] == f"{file} is damaged or was not written to its end: passed over"
    assert said[2].startswith("step 0 (epoch 0) of ")


@pytest.mark.parametrize("kind", ["pretrain", "fine-tune"])
def test_weights_that_an_update_breaks_are_of_the_same_step_for_both(tmp_path, monkeypatch, kind):
    updates = [1, 1, 1e300]

    def one_far_too_large(optimizer, lr):
        set_lr(optimizer, lr * updates.pop(0))

    monkeypatch.setattr("simclr.train.step.set_lr", one_far_too_large)
    monkeypatch.setattr("simclr.train.tuning_step.set_lr", one_far_too_large)
    message = diverges(kind, tmp_path)
    assert message.startswith("the loss is nan at step 3: encoder.")
    assert "other parameters became non-finite in the update of step 2 at learning rate" in message
    updates[:] = [1e300]
    said: list[str] = []
    replay(tmp_path, said.append)
    assert said[1].startswith("step 2 (epoch 0) of ")
    assert said[1].endswith("other parameters after the update")


def test_what_cannot_be_made_again_is_said(tmp_path):
    with pytest.raises(InputError, match="is no folder of a run"):
        replay(tmp_path)
