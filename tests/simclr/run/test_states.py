from threading import Event
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from simclr.data.source import TensorSource
from simclr.errors import DivergenceError, InputError
from simclr.recipe.schema import Optimisation
from simclr.run.begin import Begun
from simclr.run.checkpoint import Keeping, load_run_state, run_states, save_run_state
from simclr.run.states import RunStates, check_room, states_kept
from simclr.train.divergence import Cause

WHY = Cause("why")
ALONE = SimpleNamespace(num_processes=1, scaler=None)


def states(folder, main=True, minutes=1e6):
    model = nn.Linear(2, 1)
    begun = Begun({"recipe": "r"}, lambda numbers, step: None, None, lambda: None) if main else None
    train = Optimisation(checkpoint_minutes=minutes)
    source = TensorSource(torch.zeros(3, 1, 2, 2))
    return model, RunStates(ALONE, model, torch.optim.SGD(model.parameters(), 0.1), source, begun, folder, train)


def test_a_state_holds_model_optimizer_what_the_run_remembers_and_more(tmp_path):
    model, kept = states(tmp_path)
    kept.save(3, 0.5, lambda: WHY, {"best": 7}, wait=True)
    found = load_run_state(run_states(tmp_path)[0])
    assert (found["step"], found["recipe"], found["best"]) == (3, "r", 7)
    assert torch.equal(found["model"]["weight"], model.weight)


def test_a_broken_model_is_never_kept(tmp_path):
    model, kept = states(tmp_path)
    kept.save(1, 0.5, lambda: WHY)
    with torch.no_grad():
        model.weight[0, 0] = torch.nan
    with pytest.raises(DivergenceError, match=r"the loss is 0.25 at step 1: too fast; last good run state: .*00001.pt"):
        kept.save(2, 0.25, lambda: Cause("too fast"))
    assert len(run_states(tmp_path)) == 1


def test_only_the_main_process_writes_and_looks_at_the_clock(tmp_path):
    assert not states(tmp_path)[1].is_late
    assert states(tmp_path, minutes=1e-9)[1].is_late
    other = states(tmp_path, main=False, minutes=1e-9)[1]
    assert not other.is_late
    other.save(1, 0.5, lambda: WHY)
    assert run_states(tmp_path) == []


def test_a_disk_without_room_for_the_states_is_refused_before_the_run(tmp_path, monkeypatch):
    model = nn.Linear(2**18, 1, bias=False)  # 1 MiB; a state of AdamW takes three, and three states lie there
    train, free = Optimisation(optimizer="adamw"), SimpleNamespace(free=8 * 2**20)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: free)
    with pytest.raises(InputError, match=r"has room for 8.0 MiB, but 3 run states of 3.0 MiB each"):
        check_room(tmp_path / "run" / "checkpoints", model, train, 2)
    assert check_room(tmp_path / "checkpoints", model, Optimisation(optimizer="sgd"), 2) is None
    with pytest.raises(InputError, match=r"but 5 run states of 2.0 MiB .*, keep fewer \(train.checkpoint_keep, "):
        check_room(tmp_path / "checkpoints", model, Optimisation(optimizer="sgd"), 4)
    with pytest.raises(InputError, match=r"but 3 run states of 3.0 MiB"):  # the best weights so far lie beside
        check_room(tmp_path / "checkpoints", model, Optimisation(optimizer="sgd"), 2, best=model)
    said = check_room(tmp_path / "checkpoints", model, Optimisation(optimizer="sgd"), 3)
    assert said == "run states: 3 of 2.0 MiB each are kept, 0.0 GiB in all"
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2**18)).sum().backward()
    optimizer.step()
    file = save_run_state(tmp_path, 1, {"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    assert file.stat().st_size == pytest.approx(3 * 2**20, rel=0.01)
    check_room(tmp_path, model, train, 2)  # it is among the three


@pytest.mark.parametrize("total", [1, 9, 10, 60, 61])
@pytest.mark.parametrize(("every", "keep", "keep_every"), [(10, 2, None), (10, 2, 30), (4, 1, 6), (1, 3, 1), (7, 5, 2)])
def test_the_states_that_will_lie_there_are_counted(tmp_path, total, every, keep, keep_every):
    train = Optimisation(checkpoint_keep=keep, checkpoint_keep_every=keep_every)
    for step in [*range(every, total, every), total]:
        save_run_state(tmp_path, step, {"model": {}, "optimizer": {}}, Keeping(keep, keep_every))
    found = len(run_states(tmp_path))
    assert states_kept(train, total, every) == max(keep, found)  # at least as many, as some come by time


def test_a_state_is_written_while_the_model_learns_on(tmp_path, monkeypatch):
    goes_on = Event()

    def slowly(*arguments):
        assert goes_on.wait(60)
        return save_run_state(*arguments)

    monkeypatch.setattr("simclr.run.states.save_run_state", slowly)
    model, kept = states(tmp_path)
    before = model.weight.detach().clone()
    kept.save(1, 0.5, lambda: WHY)
    with torch.no_grad():
        model.weight.add_(1)
    assert run_states(tmp_path) == []
    goes_on.set()
    kept.written()
    assert torch.equal(load_run_state(tmp_path / "step-00000001.pt")["model"]["weight"], before)


def test_what_the_thread_could_not_write_is_an_error_of_the_run(tmp_path):
    kept = states(tmp_path / "gone" / "checkpoints")[1]
    kept.save(1, 0.5, lambda: WHY)
    with pytest.raises(InputError, match="there is no such folder"):
        kept.save(2, 0.5, lambda: WHY)
    with pytest.raises(InputError, match="there is no such folder"), kept:
        kept.save(3, 0.5, lambda: WHY)
    assert kept.diverged(4, float("nan"), Cause("too fast")).args == (
        "the loss is nan at step 4: too fast; last good run state: none yet",
    )
