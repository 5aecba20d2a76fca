"""Run states: the last two, whole, or a line that says what is wrong."""

import pytest
import torch

from simclr.errors import InputError
from simclr.run.checkpoint import load_run_state, newest_state, save_run_state, where_to_go_on

STATE = {"model": {"w": torch.arange(3.0)}, "optimizer": {}}


def test_the_last_two_are_kept_and_the_newest_is_named(tmp_path):
    folder = tmp_path / "checkpoints"
    assert newest_state(folder) is None
    assert where_to_go_on(folder) == "no run state was saved yet: --resume starts from the beginning"
    for step in (3, 20, 100):
        save_run_state(folder, step, STATE)
    assert sorted(path.name for path in folder.iterdir()) == ["step-00000020.pt", "step-00000100.pt"]
    assert newest_state(folder) == "step-00000100.pt"
    assert where_to_go_on(folder).endswith("goes on from " + str(folder / "step-00000100.pt"))
    state = load_run_state(folder / "step-00000100.pt")
    assert state["step"] == 100
    assert torch.equal(state["model"]["w"], STATE["model"]["w"])


def test_the_folder_of_a_run_that_is_gone_is_not_made_again(tmp_path):
    with pytest.raises(InputError, match="there is no such folder"):
        save_run_state(tmp_path / "gone" / "checkpoints", 1, STATE)
    assert list(tmp_path.iterdir()) == []


def test_states_that_cannot_be_used(tmp_path):
    file = tmp_path / "step-00000001.pt"
    with pytest.raises(InputError, match="a disk that all processes share"):
        load_run_state(file)
    whole = save_run_state(tmp_path, 2, STATE).read_bytes()
    for content in (b"", b"text", whole[:200], whole[: len(whole) // 2], whole[:-30]):
        file.write_bytes(content)
        with pytest.raises(InputError, match="no whole run state: delete it, and --resume takes the one before"):
            load_run_state(file)
    for other in ([1, 2], {"model": {}}, torch.ones(2)):
        torch.save(other, file)
        with pytest.raises(InputError, match="no whole run state"):
            load_run_state(file)
