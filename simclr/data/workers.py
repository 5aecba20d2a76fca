"""Reading in worker processes, in order, with a user's mistake raised as itself in the main process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from torch.utils.data import DataLoader, Dataset

from simclr.errors import InputError

T = TypeVar("T")
PREFETCHED = 2
"""Results that each worker holds ready."""


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Reader(Dataset[Any], Generic[T]):
    """Calls ``read`` on whatever the sampler gives."""

    def __init__(self, read: Callable[[list[int]], T]) -> None:
        self.read = read

    def __getitem__(self, ids: list[int]) -> T | InputError:
        try:
            return self.read(ids)
        except InputError as error:
            return error  # as a value: the loader would raise it with a traceback for its text


class _Lists(Iterable[list[int]]):
    def __init__(self, lists: Iterable[list[int]]) -> None:
        self.lists = lists

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.lists)


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
        InputError: as ``read`` raised it.
    """
    loader: DataLoader[T | InputError] = DataLoader(
        _Reader(read),
        batch_size=None,
        sampler=_Lists(id_lists),
        collate_fn=_as_it_is,
        num_workers=workers,
        prefetch_factor=PREFETCHED if workers else None,
        pin_memory=pin_memory,
    )
    for item in loader:
        if isinstance(item, InputError):
            raise InputError(str(item))
        yield item
