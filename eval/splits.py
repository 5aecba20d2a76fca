"""Which samples a probe learns from and which it is scored on: pure functions of labels and a seed.

The random order behind every split is ``augment.addressed.permutation(seed, SPLIT_STREAM, N)`` over all N samples of
the source, so a script can draw the very same split, and no version of torch or NumPy changes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from augment.addressed import permutation
from simclr.errors import InputError

# Takes the place of the epoch in the order's address: far from any epoch that a training run reaches.
SPLIT_STREAM = 2**23


@dataclass(frozen=True)
class Split:
    """Training and test samples of one evaluation.

    Attributes:
        name: kind of split: ``random`` (k a class), ``stratified`` (a share of each class) or ``given``.
        train: ids, ascending, (n,) int64.
        test: ids, ascending, (m,) int64; none of them in ``train``.
        seed: what it was drawn with; None for a given split.
        shots: the k that was asked for; None where there is none.
        rule: how it was drawn, in words.
        left_out: classes with fewer than two samples to share, which are in neither part.

    Raises:
        InputError: if a part is empty, holds an id twice, or the two meet.
    """

    name: str
    train: Tensor
    test: Tensor
    seed: int | None = None
    shots: int | None = None
    rule: str = "given"
    left_out: tuple[int, ...] = field(default=())

    def __post_init__(self) -> None:
        for part, ids in (("training", self.train), ("test", self.test)):
            if len(ids) == 0:
                raise InputError(f"the {part} part of the {self.name} split is empty: give more labelled samples.")
            if len(ids.unique()) != len(ids):
                raise InputError(f"the {part} part of the {self.name} split holds a sample more than once.")
        both = self.train[torch.isin(self.train, self.test)]
        if len(both):
            raise InputError(
                f"training and test part of the {self.name} split share {len(both)} samples, first id {int(both[0])}: "
                f"a sample may be in one part only."
            )

    def digest(self) -> dict[str, str]:
        """SHA-256 of the ids of each part, ascending, as little-endian int64."""
        return {part: _digest(ids) for part, ids in (("train", self.train), ("test", self.test))}


def k_shot(labels: Tensor, shots: int, seed: int, exclude: Iterable[int] | Tensor | None = None) -> Split:
    """Up to ``shots`` random samples of each class to learn from, all other labelled samples to be scored on.

    A class gives min(shots, half of its samples, rounded down). A class with fewer than two samples is in neither part
    and named in ``left_out``. With the same seed, fewer shots are a subset of more.

    Args:
        labels: class of each sample, (N,) int64, -1 = unlabelled.
        shots: samples of each class, at least 1.
        seed: of the random order.
        exclude: ids that may be in neither part.

    Raises:
        InputError: without labels, with fewer than two classes to share, shots < 1, or an id outside the source.
    """
    if shots < 1:
        raise InputError(f"shots is {shots}: give 1 or more samples of each class.")
    rule = "random order by the seed; of each class the first min(shots, half of its samples) train, the rest tests"
    return _by_class(labels, lambda n: min(shots, n // 2), "random", rule, seed, shots, exclude)


def stratified(
    labels: Tensor, fraction: float = 0.5, seed: int = 0, exclude: Iterable[int] | Tensor | None = None
) -> Split:
    """The given share of every class, at random, to learn from, the rest to be scored on.

    A class of n samples gives ``round(fraction * n)``, at least 1 and at most n - 1. Arguments, classes that are left
    out and errors are otherwise as in :func:`k_shot`; ``fraction`` lies strictly between 0 and 1.
    """
    if not 0.0 < fraction < 1.0:
        raise InputError(f"fraction is {fraction}: the training share of each class lies between 0 and 1.")
    rule = f"random order by the seed; of each class the first {fraction:g} of its samples train, the rest tests"
    return _by_class(labels, lambda n: min(max(round(fraction * n), 1), n - 1), "stratified", rule, seed, None, exclude)


def given(train: Iterable[int] | Tensor, test: Iterable[int] | Tensor) -> Split:
    """A fixed split, such as a data set's own training and test part. Errors as in :class:`Split`."""
    return Split("given", as_ids(train).sort().values, as_ids(test).sort().values)


def as_ids(ids: Iterable[int] | Tensor | None) -> Tensor:
    """Ids of any kind as (n,) int64 on the CPU; None is none."""
    if ids is None:
        return torch.empty(0, dtype=torch.int64)
    return torch.as_tensor(ids if isinstance(ids, Tensor) else list(ids)).to("cpu", torch.int64).flatten()


def _by_class(
    labels: Tensor,
    take: Callable[[int], int],
    name: str,
    rule: str,
    seed: int,
    shots: int | None,
    exclude: Iterable[int] | Tensor | None,
) -> Split:
    """Walks through the classes of the samples that are not excluded, in one random order of all samples."""
    free = labels >= 0
    if not bool(free.any()):
        raise InputError("the source has no labelled sample: evaluation needs labels.")
    excluded = as_ids(exclude)
    if len(excluded) and not 0 <= int(excluded.min()) <= int(excluded.max()) < len(labels):
        raise InputError(
            f"ids to exclude run from {int(excluded.min())} to {int(excluded.max())}, but the source has {len(labels)} "
            f"samples: they belong to other data."
        )
    free[excluded] = False
    order = permutation(seed, SPLIT_STREAM, len(labels), "cpu")
    order = order[free[order]]
    train, test, left_out = [], [], []
    for c in labels[labels >= 0].unique().tolist():
        members = order[labels[order] == c]
        if len(members) < 2:
            left_out.append(c)
            continue
        first = take(len(members))
        train.append(members[:first])
        test.append(members[first:])
    if len(train) < 2:
        raise InputError(
            f"{len(train)} classes have two or more labelled samples that may be used: a split needs 2 classes or more."
        )
    return Split(
        name, torch.cat(train).sort().values, torch.cat(test).sort().values, seed, shots, rule, tuple(left_out)
    )


def _digest(ids: Tensor) -> str:
    return hashlib.sha256(ids.sort().values.numpy().astype("<i8").tobytes()).hexdigest()
