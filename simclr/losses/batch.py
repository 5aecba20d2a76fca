"""The global batch of an objective: embeddings and labels of all processes, checked, in one order everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from simclr.losses.gather import Part, agree, gather
from simclr.losses.tensors import complaint_of_beside, complaint_of_floats, shape_of

LENGTH_TOLERANCE = {torch.float64: 1e-3, torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 3e-2}
"""How far from 1 the length of a row may be that counts as normalised."""


class Argument(NamedTuple):
    """An argument of an objective, which has to be right, and the same in every process.

    Attributes:
        name: of the argument.
        value: what was given.
        check: takes both and raises a ValueError of one line, as those of ``simclr.augment.checks`` do.
    """

    name: str
    value: object
    check: Callable[[str, Any], object]


class Batch(NamedTuple):
    """Embeddings (N, dim) and labels (N,) int64 of all processes, in the order of their ranks."""

    embeddings: Tensor
    labels: Tensor


class Measured(NamedTuple):
    """An objective's value, a scalar, and numbers that tell how training goes: scalars by name, without gradient."""

    loss: Tensor
    metrics: dict[str, Tensor]


def whole_batch(
    embeddings: Tensor,
    labels: Tensor,
    arguments: Sequence[Argument] = (),
    *,
    pairs: bool = True,
    unit: bool = False,
    classes: int | None = None,
    check: bool = True,
) -> Batch:
    """Embeddings and labels of all processes, checked.

    Each process gives its own part. What is computed from the result is the objective of the global batch, in every
    process the same; the gradient that arrives at the process's own rows is W times that of the objective, because
    DistributedDataParallel averages gradients over W processes: after averaging, the encoder's parameters have exactly
    the gradient of one process with the whole batch. Parameters of the objective itself get that gradient everywhere.

    Args:
        embeddings: of this process's samples, (batch, dim), any float type.
        labels: their classes, (batch,) integers ≥ 0.
        arguments: of the objective.
        pairs: whether it needs two samples of one class and two classes.
        unit: whether it needs rows of length 1.
        classes: how many there are, if labels have to lie below.
        check: look at values, and ask the other processes, at the cost of waiting for the device. Without it all
            processes have to give the same shapes.

    Returns:
        Embeddings in float32, or float64 for float64.

    Raises:
        ValueError: in every process when one of them gives a bad shape, value or argument, or another dtype or argument
            than the others; when the global batch lacks positives or negatives.
    """
    lengths = part_lengths(embeddings, labels, arguments, unit=unit, classes=classes, check=check)
    rows = everywhere(embeddings, lengths)
    of_rows = all_labels(labels, lengths)
    if pairs and check:
        require_pairs(of_rows)
    return Batch(rows.to(torch.promote_types(rows.dtype, torch.float32)), of_rows)


def part_lengths(
    embeddings: Tensor,
    labels: Tensor,
    arguments: Sequence[Argument] = (),
    *,
    unit: bool = False,
    classes: int | None = None,
    check: bool = True,
) -> list[int]:
    """How many rows each process gives, this one first, the others by rank; after the checks of `whole_batch`.

    Args:
        embeddings, labels, arguments, unit, classes, check: as of `whole_batch`.
    """
    complaint = _complaint_of_arguments(arguments) or _complaint_of_batch(embeddings, labels, unit, classes, check)
    common = {}
    if not complaint:
        common = {"embeddings": shape_of(embeddings, 0), "labels": shape_of(labels, 0)}
        common |= {argument.name: str(argument.value) for argument in arguments}
    return agree(Part(0 if complaint else len(embeddings), complaint, common), check, least=1)


def everywhere(x: Tensor, lengths: Sequence[int]) -> Tensor:
    """Rows of all processes in the order of their ranks, (N, …); own rows get W times the gradient that arrives.

    Args:
        x: this process's rows, (lengths[0], …).
        lengths: of the parts, as of `part_lengths`.
    """
    if len(lengths) == 1:
        return x
    rows: Tensor = _Everywhere.apply(x, lengths)
    return rows


def all_labels(labels: Tensor, lengths: Sequence[int]) -> Tensor:
    """Labels of all processes in the order of their ranks, (N,) int64."""
    return _by_rank(gather(labels, lengths), lengths).to(torch.int64)


class _Everywhere(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, lengths: Sequence[int]) -> Tensor:
        ctx.lengths = lengths
        return _by_rank(gather(x, lengths), lengths)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        own, *others = ctx.lengths
        begin = sum(others[: dist.get_rank()])
        return grad[begin : begin + own] * len(ctx.lengths), None


def require_pairs(labels: Tensor) -> None:
    """Raise a ValueError if a batch (N,) has no two samples of one class, or no two classes."""
    counts = labels.unique(return_counts=True)[1]
    if len(counts) < 2:
        raise ValueError("the batch is of a single class, and so has no negatives: draw batches of several classes")
    if int(counts.max()) < 2:
        raise ValueError(
            "the batch has no two samples of one class, and so no positives: draw batches of P classes and K samples"
        )


def place_in_class(labels: Tensor) -> Tensor:
    """How many rows of the same class stand before each row, (N,) int64."""
    ordered, order = labels.sort(stable=True)
    index = torch.arange(len(labels), device=labels.device)
    first = torch.where(ordered.diff(prepend=ordered[:1] - 1) != 0, index, 0).cummax(0).values
    place = torch.empty_like(index)
    place[order] = index - first
    return place


def _by_rank(gathered: Tensor, lengths: Sequence[int]) -> Tensor:
    """What `gather` gives, with this process's part at the place of its rank."""
    if len(lengths) == 1:
        return gathered
    own, *others = gathered.split(list(lengths))
    others.insert(dist.get_rank(), own)
    return torch.cat(others)


def _complaint_of_arguments(arguments: Sequence[Argument]) -> str | None:
    for name, value, check in arguments:
        try:
            check(name, value)
        except ValueError as error:
            return str(error).rstrip(".")
    return None


def _complaint_of_batch(embeddings: Tensor, labels: Tensor, unit: bool, classes: int | None, check: bool) -> str | None:
    """What is wrong with a process's part, in a line."""
    if wrong := complaint_of_floats("embeddings", embeddings):
        return wrong
    if embeddings.ndim != 2 or 0 in embeddings.shape:
        return f"embeddings have shape {tuple(embeddings.shape)}, but must be (batch, dim)"
    if wrong := complaint_of_beside("labels", labels, embeddings, 0, "embeddings", "rows"):
        return wrong
    if not check:
        return None
    # One wait for the device.
    rows = embeddings.detach()
    length = torch.linalg.vector_norm((rows if unit else rows[:, :1]).float(), dim=1)
    facts = [embeddings.isfinite().all(), length.amin(), length.amax(), labels.amin(), labels.amax()]
    finite, shortest, longest, least, most = torch.stack([fact.float() for fact in facts]).tolist()
    if not finite:
        return "embeddings hold NaN or infinity: the encoder has diverged"
    if least < 0:
        return f"labels hold {int(least)}: leave out samples without a class"
    if classes is not None and most >= classes:
        return f"labels hold {int(most)}, but there are {classes} classes: number them from 0 to {classes - 1}"
    tolerance = LENGTH_TOLERANCE[embeddings.dtype]
    if unit and max(1 - shortest, longest - 1) > tolerance:
        return (
            f"embeddings have rows of length {shortest:.3g} to {longest:.3g}, but must be of length 1: "
            "torch.nn.functional.normalize(embeddings, dim=1) makes them so"
        )
    return None
