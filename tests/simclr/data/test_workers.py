"""Worker processes: what they cannot send or do ends in the main process, never in waiting."""

import errno
import os
import signal

import pytest
import torch

from simclr.data import workers
from simclr.errors import InputError

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
    for number in (signal.SIGINT, signal.SIGHUP):
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


def test_other_errors_are_not_explained_away():
    assert workers.explain_worker(RuntimeError("Caught KeyError in DataLoader worker process 0.")) is None
    assert workers.explain_worker(OSError(errno.ENOENT, "No such file")) is None
