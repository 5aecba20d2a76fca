"""Reading in worker processes, in order, with a user's mistake raised as itself in the main process."""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from simclr.errors import InputError
from simclr.launch import STOPPING

T = TypeVar("T")
PREFETCHED = 2
"""Results that each worker holds ready."""


def usable_cores() -> int:
    """Cores for this process, 1 or more: those that it may run on, no more than its control group's share of time,
    divided among the processes that a launcher started on this machine."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    processes = os.environ.get("LOCAL_WORLD_SIZE", "")
    beside = int(processes) if processes.isdigit() and int(processes) > 0 else 1
    return max(1, int(min(allowed, _quota())) // beside)


def _quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float:
    """Cores' worth of time that Linux gives this process's control groups; infinite where nothing is said."""
    least = float("inf")
    with suppress(OSError, ValueError):
        for line in own.read_text().splitlines():
            _, kind, path = line.split(":", 2)
            if kind == "":  # version 2: the group, and those around it
                group = root / path.strip("/")
                around = [place for place in (group, *group.parents) if place.is_relative_to(root)]
                least = min(least, *(_share_of(place / "cpu.max", None) for place in around))
            elif "cpu" in kind.split(","):
                place = root / "cpu" / path.strip("/")
                place = place if place.is_dir() else root / "cpu"  # a container sees its own group as the root
                least = min(least, _share_of(place / "cpu.cfs_quota_us", place / "cpu.cfs_period_us"))
    return least


def _share_of(quota: Path, period: Path | None) -> float:
    try:
        words = quota.read_text().split() + ([] if period is None else period.read_text().split())
        return int(words[0]) / int(words[1]) if int(words[0]) > 0 else float("inf")
    except (OSError, ValueError, IndexError, ZeroDivisionError):  # no such limit, or "max"
        return float("inf")


class _Reader(Dataset[Any], Generic[T]):
    """Calls ``read`` on whatever the sampler gives."""

    def __init__(self, read: Callable[[list[int]], T]) -> None:
        self.read = read

    def __getitem__(self, ids: list[int]) -> Any:
        try:
            found = self.read(ids)
        except InputError as error:
            return error  # as a value: the loader would raise it with a traceback for its text
        return found if get_worker_info() is None else _packed(found)


class _Copied:
    """A tensor that travels through a pipe, byte by byte: slower, but it needs no shared memory."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array


def _packed(item: Any) -> Any:
    """What a worker sends: its tensors lie in shared memory, or are copies where there is none left.

    The loader would put them there in a thread whose errors nobody sees, and the main process would wait for ever.
    """
    if isinstance(item, tuple):
        return tuple(_packed(part) for part in item)
    if not isinstance(item, Tensor):
        return item
    try:
        return item.share_memory_()
    except (RuntimeError, OSError):
        return _Copied(item.numpy())


def _unpacked(item: Any) -> Any:
    if isinstance(item, tuple):
        return tuple(_unpacked(part) for part in item)
    return torch.from_numpy(item.array) if isinstance(item, _Copied) else item


class _Lists(Iterable[list[int]]):
    def __init__(self, lists: Iterable[list[int]]) -> None:
        self.lists = lists

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.lists)


def _leave_signals_to_main(worker: int) -> None:
    """Terminals and batch systems send signals to all processes; the main one decides when the reading is over.

    It says so by SIGTERM, which nobody else then ends a worker by, where the system tells who has sent it.
    """
    for number in STOPPING:
        if number != signal.SIGTERM:
            signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        Thread(target=_end_with_main, daemon=True).start()


def _end_with_main() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        continue
    os._exit(0)


def _as_it_is(item: T) -> T:
    return item


def read_ahead(
    read: Callable[[list[int]], T], id_lists: Iterable[list[int]], workers: int, *, pin_memory: bool = False
) -> Iterator[T]:
    """``read`` of every list, in the order given, computed ahead by worker processes.

    Args:
        read: must be picklable where processes are spawned; a method of a source, for instance.
        id_lists: lists of ids; gone through once, a few items ahead of what has been yielded.
        workers: number of processes; 0 reads in this process.
        pin_memory: whether tensors in the results are put into page-locked memory.

    Raises:
        InputError: as ``read`` raised it, or a process ended before its work was done.
    """
    loader: DataLoader[Any] = DataLoader(
        _Reader(read),
        batch_size=None,
        sampler=_Lists(id_lists),
        collate_fn=_as_it_is,
        worker_init_fn=_leave_signals_to_main,
        num_workers=workers,
        prefetch_factor=PREFETCHED if workers else None,
        pin_memory=pin_memory,
    )
    try:
        for item in loader:
            if isinstance(item, InputError):
                raise InputError(str(item))
            yield _unpacked(item)
    except (RuntimeError, OSError) as error:
        explained = explain_worker(error)
        if explained is None:
            raise
        raise explained from error


def explain_worker(error: Exception) -> InputError | None:
    """One line for a worker process that ended too soon or could not be started; None for any other error.

    The loader may say so at any time: a signal tells the main process of the end of another.
    """
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return InputError(
            "the processes that read the data cannot be started, as no shared memory is left (/dev/shm): set "
            "data.workers=0, or give it more (docker run --shm-size=8g)"
        )
    text = f"{error} {error.__cause__}"
    if not isinstance(error, RuntimeError) or not re.search(r"DataLoader worker \(pid", text):
        return None
    how = re.search(r"killed by signal: [\w ]+", text)
    if how and "Bus error" in how[0]:
        return InputError(
            f"a process that reads the data has ended ({how[0]}), most often because a file was cut short while it was "
            f"read, or no shared memory is left (/dev/shm): put the file back as it was, or set data.workers=0"
        )
    return InputError(
        f"a process that reads the data has ended{f' ({how[0]})' if how else ''}, most often because the machine's "
        f"memory was used up: set data.workers to fewer, or to 0, or give it more memory"
    )
