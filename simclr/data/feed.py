"""Batches of the steps of a run, whether the source lies in memory or is read ahead by worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from simclr.data.source import Source
from simclr.data.stream import StreamSource
from simclr.data.workers import PREFETCHED, read_ahead, usable_cores

_AHEAD_BYTES = 8 << 30
_NAMED = 8  # samples in a message


class Order(Protocol):
    """Which ids a step takes: `simclr.data.order.SampleOrder`, `simclr.data.class_order.ClassOrder`.

    Attributes:
        batch_size: samples of a step over all processes.
        world_size: number of processes.
    """

    batch_size: int
    world_size: int

    def at(self, step: int) -> Tensor:
        """Ids that this process takes at a global step, (b,) int64 on the CPU."""
        ...


def note_damaged(source: Source, names: list[str]) -> None:
    """Counts what all processes found damaged, each having read its own part of a streamed source.

    Args:
        source: of this process.
        names: of the damaged samples that any process has met.

    Raises:
        InputError: if more is damaged than the source allows.
    """
    source.damaged = names
    if isinstance(source, StreamSource):
        source.note_damaged(())


def named(source: Source, ids: Tensor) -> str:
    """Samples in a message: how many, and the first of them by their names, or by their ids where they have none.

    Args:
        source: that they are of.
        ids: theirs, (n,) int64.
    """
    shown = ids[:_NAMED].tolist()
    names = [source.sample_name(i) if isinstance(source, StreamSource) else str(i) for i in shown]
    more = ", …" if len(ids) > _NAMED else ""
    return f"{len(ids)} {'sample' if len(ids) == 1 else 'samples'}: {', '.join(names)}{more}"


def skipped(damaged: Sequence[str]) -> str:
    """A line about samples that could not be read."""
    n = len(damaged)
    shown = ", ".join(damaged[:5]) + (", …" if n > 5 else "")
    return f"{n} damaged {'image was' if n == 1 else 'images were'} skipped: {shown}"


def in_place_of_damaged(source: Source, ids: Tensor, batch: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """A batch for those who learn from labels: what could not be read holds another image, of whichever class.

    Its row becomes that of another sample of its class in the batch, else of any.

    Args:
        source: that the batch is of.
        ids: of its samples, (b,) int64.
        batch: (b, C, H, W).
        targets: class of each sample of the source, (N,) int64.

    Returns:
        ids of the samples that the rows hold, and the batch; as they were where all could be read.
    """
    if source.resident or not source.damaged or source.labels is None:
        return ids, batch
    readable = source.labels[ids.cpu()] >= 0
    if readable.all() or not readable.any():
        return ids, batch
    rows, classes = torch.arange(len(ids)), targets[ids].cpu()
    for row in (~readable).nonzero()[:, 0]:
        alike = readable & (classes == classes[row])
        rows[row] = (alike if alike.any() else readable).nonzero()[0, 0]
    rows = rows.to(ids.device)
    return ids[rows], batch[rows]


def batches(
    source: Source,
    order: Order,
    start: int,
    stop: int,
    device: torch.device | str = "cpu",
    workers: int | None = None,
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yields ``(step, ids, batch)`` for the global steps start..stop-1, in order.

    A resident source is indexed where it lies. Otherwise workers only decode and resize; what they send is pinned and
    copied to the device while the last step still runs. ``ids`` are those of the order even where a damaged sample was
    replaced by its neighbour, so that no two rows of a step share the address of their random numbers.

    Args:
        source: the samples.
        order: which ids a step takes in this process.
        start: first global step.
        stop: the step after the last one.
        device: where ids and batch are wanted.
        workers: reading processes of a streamed source; None = one a core, shared by the processes of a machine and
            limited by memory; 0 = read in this process.

    Yields:
        the step; ids, (b,) int64; batch, (b, C, H, W) raw; both on ``device``.

    Raises:
        InputError: if more of a streamed source is damaged than it allows.
    """
    device = torch.device(device)
    if not isinstance(source, StreamSource):
        for step in range(start, stop):
            ids = order.at(step).to(device)
            yield step, ids, source[ids].to(device)
        return
    if workers is None:
        # The processes of a machine share its cores, and what is read ahead has to fit into its memory.
        cores = usable_cores()
        batch_bytes = source.nbytes // len(source) * order.batch_size // order.world_size
        workers = max(1, min(cores, _AHEAD_BYTES // (PREFETCHED * batch_bytes)))
    lists = (order.at(step).tolist() for step in range(start, stop))
    read = read_ahead(source.read, lists, min(workers, max(0, stop - start)), pin_memory=device.type == "cuda")
    for step, (batch, damaged) in zip(range(start, stop), read, strict=True):
        source.note_damaged(damaged)
        yield step, order.at(step).to(device), batch.to(device, non_blocking=True)
