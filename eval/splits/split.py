"""Which samples a probe learns from and which it is scored on: pure functions of labels and a seed.

The random order behind every split is ``augment.addressed.permutation(seed, Stream.SPLIT, N)`` over all N samples of
the source, so a script can draw the very same split, and no version of torch or NumPy changes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations

import torch
from torch import Tensor

from simclr.augment.addressed import permutation
from simclr.errors import InputError
from simclr.eval.splits.validation import LEAST, SHARE, by_class, validation_part
from simclr.eval.streams import Stream


@dataclass(frozen=True)
class Split:
    """Training and test samples of one evaluation.

    Attributes:
        name: kind of split: ``random`` (k a class), ``stratified`` (a share of each class), ``block`` (areas of a
            scene), ``given``, or the name of the file that it was read from.
        train: ids, ascending, (n,) int64.
        test: ids, ascending, (m,) int64; none of them in ``train``.
        seed: what it was drawn with; None for a given split.
        shots: the k that was asked for; None where there is none.
        rule: how it was drawn, in words.
        left_out: classes that could not be shared, which are in neither part.
        share: the share of each class that was asked for as training samples; None where there is none.
        validation: ids of training samples that choices are made on, ascending; part of neither ``train`` nor
            ``test``, empty where there are none.
        dropped: how many samples that a rule or a map named are in no part, by reason.
        origin: ``file`` and ``sha256`` of what it was read from; empty where it was drawn.

    Raises:
        InputError: if training or test part is empty, a part holds an id twice, or two parts meet.
    """

    name: str
    train: Tensor
    test: Tensor
    seed: int | None = None
    shots: int | None = None
    rule: str = "given"
    left_out: tuple[int, ...] = field(default=())
    share: float | None = None
    validation: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    dropped: Mapping[str, int] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = {"training": self.train, "test": self.test, "validation": self.validation}
        for part, ids in parts.items():
            if len(ids) == 0 and part != "validation":
                raise InputError(f"the {part} part of the {self.name} split is empty: give more labelled samples.")
            if len(ids.unique()) != len(ids):
                raise InputError(f"the {part} part of the {self.name} split holds a sample more than once.")
        for first, second in combinations(parts, 2):
            both = parts[first][torch.isin(parts[first], parts[second])]
            if len(both):
                raise InputError(
                    f"{first} and {second} part of the {self.name} split share {len(both)} samples, first id "
                    f"{int(both[0])}: a sample may be in one part only."
                )

    def digest(self) -> dict[str, str]:
        """SHA-256 of the ids of each part, ascending, as little-endian int64."""
        return {part: digest_of(ids) for part, ids in self.parts().items()}

    def learned(self) -> Tensor:
        """Ids that a final classifier learns from: training and validation part together, ascending."""
        return torch.cat([self.train, self.validation]).sort().values

    def validation_rows(self) -> Tensor | None:
        """Where the validation part stands in :meth:`learned`, ascending int64; None where there is none."""
        if len(self.validation) == 0:
            return None
        return torch.nonzero(torch.isin(self.learned(), self.validation)).flatten()

    def parts(self) -> dict[str, Tensor]:
        """Ids by the name of the part: ``train``, ``test``, and ``validation`` where there is one."""
        both = {"train": self.train, "test": self.test}
        return both | ({"validation": self.validation} if len(self.validation) else {})


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
    return _by_class(labels, lambda n: min(shots, n // 2), "random", rule, seed, exclude, shots=shots)


def stratified(
    labels: Tensor, fraction: float = 0.5, seed: int = 0, exclude: Iterable[int] | Tensor | None = None
) -> Split:
    """The given share of every class, at random, to learn from, the rest to be scored on.

    A class of n samples gives ``round(fraction * n)``, at least 1 and at most n - 1; so 0.01 and 0.1 are the usual
    lists of 1 % and 10 % of the labels. With the same seed, a smaller share is a subset of a larger one. Arguments,
    classes that are left out and errors are otherwise as in :func:`k_shot`; ``fraction`` lies strictly between 0 and 1.
    """
    if not 0.0 < fraction < 1.0:
        raise InputError(f"fraction is {fraction}: the training share of each class lies between 0 and 1.")
    rule = f"random order by the seed; of each class the first {fraction:g} of its samples train, the rest tests"
    return _by_class(
        labels, lambda n: min(max(round(fraction * n), 1), n - 1), "stratified", rule, seed, exclude, share=fraction
    )


def hold_out(split: Split, labels: Tensor, share: float = SHARE) -> Split:
    """The split with a random share of each class's training samples as its validation part.

    Args:
        split: without a validation part.
        labels: class of each sample, (N,) int64.
        share: as in ``simclr.eval.splits.validation.validation_part``, whose seed is the split's (0 where it has none).

    Raises:
        InputError: if the share is out of range, no class can spare a sample, or the split has a validation part.
    """
    if len(split.validation):
        raise InputError(f"the {split.name} split has a validation part of its own: nothing more can be held out.")
    fit, held_out = validation_part(labels[split.train], share, split.seed or 0)
    if len(held_out) == 0:
        raise InputError(
            f"no class of the {split.name} split has the {LEAST} training samples that a validation part takes: "
            f"give more, or none for validation."
        )
    rule = f"{split.rule}; of each class {share:g} of the training samples are for validation"
    return replace(split, train=split.train[fit], validation=split.train[held_out], rule=rule)


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
    exclude: Iterable[int] | Tensor | None,
    shots: int | None = None,
    share: float | None = None,
) -> Split:
    """Walks through the classes of the samples that are not excluded, in one random order of all samples."""
    free = usable(labels, exclude)
    order = permutation(seed, Stream.SPLIT, len(labels), "cpu")
    order = order[free[order]]
    train, test, left_out = [], [], []
    there = by_class(order, labels)
    for c in labels[labels >= 0].unique().tolist():
        members = there.get(c, order[:0])
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
        name, torch.cat(train).sort().values, torch.cat(test).sort().values, seed, shots, rule, tuple(left_out), share
    )


def usable(labels: Tensor, exclude: Iterable[int] | Tensor | None) -> Tensor:
    """Which samples have a label and are not excluded, (N,) bool.

    Raises:
        InputError: if there is no labelled sample, or an excluded id is outside the source.
    """
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
    return free


def digest_of(ids: Tensor) -> str:
    """SHA-256 of ids, ascending, as little-endian int64."""
    return hashlib.sha256(ids.sort().values.numpy().astype("<i8").tobytes()).hexdigest()
