"""A validation part of the training samples: where penalties, learning rates, steps and temperatures are chosen."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from simclr.augment.addressed import permutation
from simclr.errors import InputError
from simclr.eval.streams import Stream

SHARE = 0.2
# A class of fewer training samples keeps them all.
LEAST = 4

LEAVE_ONE_OUT = "leave-one-out on the training samples"
SPLITS_OWN = "the split's validation part"
FIXED = "nothing, it is fixed"


class Parts(NamedTuple):
    """Rows of the training samples to fit on and to choose on, (n,) int64 each, and in words what the latter are."""

    fit: Tensor
    held_out: Tensor
    selected_on: str


def validation_part(y: Tensor, share: float = SHARE, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Rows to fit on and rows to choose on: a random share of every class of four or more samples.

    Args:
        y: classes of the training samples, (n,) int64.
        share: of each class that is held out, rounded; at least 1 and at most all but one sample. 0 holds nothing out.
        seed: of the random order.

    Returns:
        Rows to fit on and held-out rows, both ascending int64 on the CPU; together each of n once.

    Raises:
        InputError: if the share is not within 0 and 1.
    """
    if not 0 <= share < 1:
        raise InputError(f"the validation share is {share}: give 0 or more, and less than 1.")
    order = permutation(seed, Stream.VALIDATION, len(y), "cpu")
    held_out = torch.zeros(len(y), dtype=torch.bool)
    for members in by_class(order, y.cpu()).values():
        if share > 0 and len(members) >= LEAST:
            held_out[members[: min(max(round(share * len(members)), 1), len(members) - 1)]] = True
    return torch.nonzero(~held_out).flatten(), torch.nonzero(held_out).flatten()


def by_class(order: Tensor, y: Tensor) -> dict[int, Tensor]:
    """Of each class its samples in the given order, by ascending class; one sort, however many classes there are.

    Args:
        order: ids, (n,) int64.
        y: class of each id, (N,) int64.
    """
    classes, counts = y[order].unique(return_counts=True)
    grouped = order[torch.argsort(y[order], stable=True)]
    return dict(zip(classes.tolist(), grouped.split(counts.tolist())))


def folds_of(y: Tensor, folds: int | None) -> Tensor:
    """The fold in which each sample is left out, (n,) int64 from 0: the j-th sample of a class in j mod folds.

    Args:
        y: classes, (n,) int64.
        folds: number of them, at most the samples of the largest class; None is as many.

    Returns:
        -1 where a class has a single sample, which is never left out.
    """
    _, index, counts = y.unique(return_inverse=True, return_counts=True)
    folds = min(folds or int(counts.max()), int(counts.max()))
    order = torch.argsort(index, stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order)) - (counts.cumsum(0) - counts)[index[order]]
    return (place % folds).where(counts[index] > 1, -1)


def parts_of(y: Tensor, validation: Tensor | None, share: float = SHARE, seed: int = 0) -> Parts:
    """The split's own validation part where it has one, otherwise a share of every class.

    Args:
        y: classes of the training samples, those for validation among them, (n,) int64.
        validation: rows of the split's own validation part, ascending, or None.
        share, seed: as in :func:`validation_part`, where the split has none.

    Raises:
        InputError: if the share is out of range, fewer than two classes are left to fit on, or none of the held-out
            samples is of one of them.
    """
    if validation is None:
        in_words = f"{100 * share:g} % of the training samples of each class, held out"
        return Parts(*validation_part(y, share, seed), in_words)
    free = torch.ones(len(y), dtype=torch.bool)
    free[validation] = False
    fit = torch.nonzero(free).flatten()
    if len(y[fit].unique()) < 2:
        raise InputError("fewer than 2 classes are left to train on beside the validation part: hold less out.")
    if not bool(torch.isin(y[validation], y[fit]).any()):
        raise InputError("no sample of the validation part is of a class of the training part: nothing can be chosen.")
    return Parts(fit, validation, SPLITS_OWN)


def columns_of(classes: Tensor, y: Tensor) -> Tensor:
    """Where each y stands in ``classes`` (ascending), (n,) int64; -1 for a class that is not there."""
    place = torch.searchsorted(classes, y).clamp_max(len(classes) - 1)
    return place.where(classes[place] == y, -1)
