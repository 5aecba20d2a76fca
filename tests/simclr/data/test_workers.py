"""Worker processes: what they cannot send or do ends in the main process, never in waiting."""

import errno
import os
import signal

import pytest
import torch

from simclr.data import workers
from simclr.errors import InputError
from simclr.launch import STOPPING

LISTS = [[i] for i in range(8)]


def read(ids):
    return torch.full((2, 3), ids[0]), ids


def read_until_killed(ids):
    if ids[0] == 3:
        os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when memory is used up
    return read(ids)


def test_a_worker_that_is_killed_ends_the_reading_with_its_reason():
    with pytest.raises(InputError, match=r"a process that reads the data has ended.*memory.*data\.workers"):
        list(workers.read_ahead(read_until_killed, LISTS, 2))


def read_and_interrupt(ids):
    for number in STOPPING:
        os.kill(os.getpid(), number)
    return read(ids)


@pytest.mark.slow
def test_a_signal_to_all_processes_of_a_terminal_does_not_end_the_workers():
    assert [ids for _, ids in workers.read_ahead(read_and_interrupt, LISTS, 2)] == LISTS


def test_without_shared_memory_the_same_batches_travel_through_pipes(monkeypatch):
    def full(tensor):
        raise RuntimeError("unable to allocate shared memory(shm): No space left on device (28)")

    monkeypatch.setattr(torch.Tensor, "share_memory_", full)  # workers are forked, and inherit it
    found = list(workers.read_ahead(read, LISTS, 2))
    assert [ids for _, ids in found] == LISTS
    assert all(torch.equal(batch, torch.full((2, 3), ids[0])) for batch, ids in found)


def test_workers_that_cannot_be_started_are_one_line(monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(workers.DataLoader, "__iter__", full)
    with pytest.raises(InputError, match=r"/dev/shm.*data\.workers=0"):
        list(workers.read_ahead(read, LISTS, 2))


def test_a_worker_that_a_file_which_was_cut_short_has_ended_says_so():
    error = RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that ...")
    assert "a file was cut short while it was read" in str(workers.explain_worker(error))


def test_other_errors_are_not_explained_away():
    assert workers.explain_worker(RuntimeError("Caught KeyError in DataLoader worker process 0.")) is None
    assert workers.explain_worker(OSError(errno.ENOENT, "No such file")) is None


@pytest.mark.parametrize(
    ("group", "files", "expected"),
    [
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "150000 100000"}, 1.5),
        ("0::/a", {"a/cpu.max": "400000 100000", "cpu.max": "max 100000"}, 4.0),
        ("1:cpu,cpuacct:/a", {"cpu/a/cpu.cfs_quota_us": "50000", "cpu/a/cpu.cfs_period_us": "100000"}, 0.5),
        ("1:cpu:/elsewhere", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, float("inf")),
        ("3:memory:/a\nnonsense", {}, float("inf")),
    ],
)
def test_control_groups_say_how_many_cores_worth_of_time_there_are(tmp_path, group, files, expected):
    (tmp_path / "own").write_text(group)
    for name, text in files.items():
        file = tmp_path / "root" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    assert workers._quota(tmp_path / "root", tmp_path / "own") == expected


def test_processes_of_a_launch_share_the_cores(monkeypatch):
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    monkeypatch.setattr(workers, "_quota", lambda: 5.5)
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert workers.usable_cores() == 5
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert workers.usable_cores() == 2
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "64")
    assert workers.usable_cores() == 1
