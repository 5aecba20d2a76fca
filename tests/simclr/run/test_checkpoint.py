"""Run states: the last two, whole, or a line that says what is wrong."""

import random

import pytest
import torch

from simclr.errors import InputError
from simclr.run.checkpoint import (
    DIVERGED,
    Keeping,
    given_state,
    go_back_to,
    load_run_state,
    newest_state,
    newest_whole_state,
    run_states,
    save_run_state,
    where_to_go_on,
)

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


def steps(folder):
    return [int(path.stem[5:]) for path in run_states(folder)]


def test_states_of_certain_steps_are_kept_beside_the_last(tmp_path):
    for step in range(10, 80, 10):
        save_run_state(tmp_path, step, STATE, Keeping(last=1, every=30))
    assert steps(tmp_path) == [30, 60, 70]


@pytest.mark.parametrize("harm", ["cut", "flip"])
def test_a_damaged_state_is_named_and_passed_over_for_the_one_before(tmp_path, harm):
    """Cut at 100 places, and 100 single bytes flipped: what is read is what was written, or it is passed over."""
    state = {"model": {"w": torch.randn(300, generator=torch.Generator().manual_seed(0))}, "optimizer": {"lr": 0.1}}
    save_run_state(tmp_path, 1, STATE)
    file = save_run_state(tmp_path, 2, state)
    whole, passed_over = file.read_bytes(), 0
    for at in random.Random(0).sample(range(len(whole)), 100):
        file.write_bytes(whole[:at] if harm == "cut" else whole[:at] + bytes([whole[at] ^ 8]) + whole[at + 1 :])
        said = []
        name = newest_whole_state(tmp_path, said.append)
        if name == file.name:  # a byte that says nothing, as of a date or between two parts
            assert torch.equal(load_run_state(file)["model"]["w"], state["model"]["w"])
            assert load_run_state(file)["optimizer"] == state["optimizer"]
        else:
            assert (name, said) == (
                "step-00000001.pt",
                [f"{file} is damaged or was not written to its end: passed over"],
            )
            passed_over += 1
    assert passed_over >= (99 if harm == "cut" else 40)


def test_without_a_whole_state_nothing_is_begun_unasked(tmp_path):
    assert newest_whole_state(tmp_path / "checkpoints", print) is None
    (tmp_path / "step-00000004.pt").write_bytes(b"half")
    with pytest.raises(InputError, match=r"none of the 1 run states in .* is whole: delete them, and --resume starts"):
        newest_whole_state(tmp_path, lambda line: None)


def test_going_back_removes_what_came_later_and_what_was_half_written(tmp_path):
    go_back_to(tmp_path / "nothing", 0)
    for step in (1, 2, 3):
        save_run_state(tmp_path, step, STATE, Keeping(last=9))
    left = [".step-00000003.pt.x1y2z3a4.pt", ".step-00000004.pt._b5c6d7e.pt"]
    others = [".step-00000003.pt", ".notes.txt.abcdefgh.txt", "mine.pt"]
    for name in left + others:
        (tmp_path / name).write_bytes(b"half")
    go_back_to(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "step-00000001.pt", "step-00000002.pt"])


def test_a_state_that_is_asked_for_is_one_of_the_run(tmp_path):
    folder = tmp_path / "checkpoints"
    with pytest.raises(InputError, match="which has none"):
        given_state(folder, folder / "step-00000001.pt")
    tmp_path.joinpath("checkpoints").mkdir()
    save_run_state(folder, 1, STATE)
    assert given_state(folder, folder / ".." / "checkpoints" / "step-00000001.pt") == "step-00000001.pt"
    (folder / DIVERGED).write_bytes(b"half")
    with pytest.raises(InputError, match=r"from which no run goes on: simclr replay .* makes that step again"):
        given_state(folder, folder / DIVERGED)
    elsewhere = save_run_state(tmp_path, 1, STATE)
    for other in (folder / "step-00000002.pt", elsewhere, folder):
        with pytest.raises(InputError, match=r"is no run state of .*: there are step-00000001.pt in"):
            given_state(folder, other)
