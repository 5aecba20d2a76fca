"""Scores of training samples by models that have not seen them, left out as the split holds apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from simclr.errors import InputError
from simclr.eval.open_set.scores import OpenScore
from simclr.eval.splits.apart import Apart
from simclr.eval.splits.validation import folds_of


class Calibration(NamedTuple):
    """What thresholds are fitted on.

    Attributes:
        scores: unknownness of held-out samples by the score's name, (n',) float64, n' ≤ n; none of a score for which
            nothing could be left out.
        unit: what was left out together: ``sample``, ``area`` or ``field``.
        units: how many of them there are.
        alone: how many of these hold all that their classes have, so that a class was left out with them: its samples
            were then scored as those of an unknown class are, about the most that a known one can come to.
        alike: whether test samples are drawn as these are.
    """

    scores: Mapping[str, Tensor]
    unit: str
    units: int
    alone: int
    alike: bool


def calibrate(
    score: OpenScore, train_x: Tensor, train_y: Tensor, apart: Apart, folds: int | None, least_classes: int = 1
) -> Calibration:
    """Unknownness of training samples, each by a model of the samples from which the split holds it apart.

    Args:
        score: of ``simclr.eval.open_set.scores.OPEN_SCORES``.
        train_x: (n, dim).
        train_y: (n,) int64.
        apart: the groups of the samples.
        folds: of single samples: see :func:`held_out_scores`; of groups how many rounds there are at most, and None is
            one for each.
        least_classes: that the score takes; samples of groups without which fewer are left are infinitely strange.

    Raises:
        InputError: if no class has two samples.
    """
    if apart.groups is None:
        found = held_out_scores(score, train_x, train_y, folds)
        n = max(map(len, found.values()))
        return Calibration(found, apart.unit, n, 0, apart.alike)
    _check_two(train_y)
    groups = apart.groups
    units, alone = int(groups.max()) + 1, alone_groups(groups, train_y)
    fold = groups if folds is None else groups % folds
    parts: dict[str, list[Tensor]] = {}
    skipped = 0
    for part in fold.unique():
        left = fold == part
        rest = train_y[~left]
        if len(rest.unique()) < least_classes:
            skipped += int(left.sum())
            continue
        for name, value in score(train_x[~left], rest, train_x[left])[1].items():
            parts.setdefault(name, []).append(value)
    never = torch.full((skipped,), torch.inf, dtype=torch.float64)
    scores = {name: torch.cat([*values, never]) for name, values in parts.items()}
    return Calibration(scores, apart.unit, units, alone, apart.alike)


def alone_groups(groups: Tensor, y: Tensor) -> int:
    """How many groups hold all samples of one of their classes.

    Args:
        groups: (n,) int64 from 0.
        y: classes, (n,) int64.
    """
    pairs = torch.stack([y, groups], 1).unique(dim=0)
    _, index, count = pairs[:, 0].unique(return_inverse=True, return_counts=True)
    return len(pairs[count[index] == 1, 1].unique())


def held_out_scores(score: OpenScore, train_x: Tensor, train_y: Tensor, folds: int | None) -> dict[str, Tensor]:
    """Unknownness of training samples, each by a model of the other folds.

    The j-th sample of every class goes to fold j mod ``folds``, so that up to ``folds`` shots this leaves one sample
    of each class out at a time. A class with a single sample stays in the training part and gets no score.

    Args:
        score: of ``simclr.eval.open_set.scores.OPEN_SCORES``.
        train_x: (n, dim).
        train_y: (n,) int64.
        folds: number of them; None leaves one sample of each class out at a time, whatever their number.

    Returns:
        By score name (n',) float64, n' = samples of classes that have two or more.

    Raises:
        InputError: if no class has two samples: nothing can be left out.
    """
    _check_two(train_y)
    fold = folds_of(train_y, folds)
    held = [fold == part for part in range(int(fold.max()) + 1)]
    found = [score(train_x[~rows], train_y[~rows], train_x[rows])[1] for rows in held]
    return {name: torch.cat([scores[name] for scores in found]) for name in found[0]}


def _check_two(train_y: Tensor) -> None:
    if int(train_y.unique(return_counts=True)[1].max()) < 2:
        raise InputError("a threshold comes from training samples that are left out: give 2 shots or more.")
