from types import SimpleNamespace

import pytest
import torch
from torch import nn

from simclr.data.source import TensorSource
from simclr.errors import DivergenceError
from simclr.run.begin import Begun
from simclr.run.checkpoint import load_run_state, run_states
from simclr.run.states import RunStates

ALONE = SimpleNamespace(num_processes=1, scaler=None)


def states(folder, main=True, minutes=1e6):
    model = nn.Linear(2, 1)
    begun = Begun({"recipe": "r"}, lambda numbers, step: None, None, lambda: None) if main else None
    source = TensorSource(torch.zeros(3, 1, 2, 2))
    return model, RunStates(ALONE, model, torch.optim.SGD(model.parameters(), 0.1), source, begun, folder, minutes)


def test_a_state_holds_model_optimizer_what_the_run_remembers_and_more(tmp_path):
    model, kept = states(tmp_path)
    kept.save(3, 0.5, lambda: "why", {"best": 7})
    found = load_run_state(run_states(tmp_path)[0])
    assert (found["step"], found["recipe"], found["best"]) == (3, "r", 7)
    assert torch.equal(found["model"]["weight"], model.weight)


def test_a_broken_model_is_never_kept(tmp_path):
    model, kept = states(tmp_path)
    kept.save(1, 0.5, lambda: "why")
    with torch.no_grad():
        model.weight[0, 0] = torch.nan
    with pytest.raises(DivergenceError, match=r"the loss is 0.25 at step 1: too fast; last good run state: .*00001.pt"):
        kept.save(2, 0.25, lambda: "too fast")
    assert len(run_states(tmp_path)) == 1


def test_only_the_main_process_writes_and_looks_at_the_clock(tmp_path):
    assert not states(tmp_path)[1].is_late
    assert states(tmp_path, minutes=-1)[1].is_late
    other = states(tmp_path, main=False, minutes=-1)[1]
    assert not other.is_late
    other.save(1, 0.5, lambda: "why")
    assert run_states(tmp_path) == []
