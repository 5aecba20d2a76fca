import pytest
import torch

from simclr.build import build_model
from simclr.errors import DivergenceError, InputError
from simclr.pretrain import pretrain
from simclr.recipe.read import read_recipe
from simclr.replay import replay
from simclr.run.checkpoint import DIVERGED

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
    assert "no state of a step that diverged was left: all steps from 0 on" in said[0]
    assert found


def test_a_run_without_fault_is_found_without_fault(tmp_path):
    recipe = read_recipe("digits", [*TINY, "train.max_steps=4", "train.checkpoint_keep=9"])
    pretrain(recipe, tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "step-00000004.pt").unlink()
    said = []
    assert replay(tmp_path / "run", said.append) == []
    assert said[-1] == "all is finite from step 2 to 3 here"


def test_what_cannot_be_made_again_is_said(tmp_path):
    with pytest.raises(InputError, match="is no folder of a run"):
        replay(tmp_path)
