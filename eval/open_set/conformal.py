"""Conformal p values of test samples: how strange a sample is among held-out training samples, with a guarantee."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from simclr.eval.open_set.scores import OpenScore
from simclr.eval.open_set.thresholds import REJECTED
from simclr.eval.splits.apart import Apart
from simclr.eval.splits.validation import folds_of

CONFORMAL = "conformal"
"""The kind of threshold: samples with a p value of no more than ``REJECTED`` are rejected."""
FOLDS = 5


def conformal_p_values(
    score: OpenScore, train_x: Tensor, train_y: Tensor, test_x: Tensor, apart: Apart, least_classes: int = 1
) -> dict[str, Tensor]:
    """Cross-conformal p values: test samples and held-out ones are scored by the same models, those of the other folds.

    A sample's p value is one more than the number of held-out samples whose unknownness is no smaller than its own by
    the model of their fold, over one more than all of them. Where groups are held apart each group is a fold and counts
    as one, by the share of its samples. Of fewer than 19 units no p value can be 0.05, and all are 1.

    Where test samples and training samples are exchangeable, those of known classes have a p value of at most α with a
    probability of at most 2·α + 2·(1 − 1/K) / (n/K + 1) over draws of both, of n samples in K folds; in practice about
    α. Groups need exchangeable groups, which blocks and fields hardly are.

    Args:
        score: of ``simclr.eval.open_set.scores.OPEN_SCORES``.
        train_x, train_y: (n, dim), (n,) int64.
        test_x: (m, dim).
        apart: the groups of the samples.
        least_classes: that the score takes; folds without which fewer are left count as stranger than any sample.

    Returns:
        By the score's name (m,) float64; none of a score of which no fold could be left out.

    Source: Vovk, "Cross-conformal predictors", Annals of Mathematics and Artificial Intelligence 2015; the guarantee:
        Barber et al., "Predictive inference with the jackknife+", Annals of Statistics 2021, theorem 4; groups as
        units: Lee, Barber & Willett, "Distribution-free inference with hierarchical data", 2023.
    """
    fold = folds_of(train_y, FOLDS) if apart.groups is None else apart.groups
    units = int((fold >= 0).sum()) if apart.groups is None else int(fold.max()) + 1
    parts = fold[fold >= 0].unique().tolist()
    if units < least_units():
        parts = parts[:1]  # for the names of the scores
    above: dict[str, Tensor] = {}
    skipped = 0.0
    for part in parts:
        left = fold == part
        weight = 1.0 if apart.groups is None else 1 / int(left.sum())
        if len(train_y[~left].unique()) < least_classes:
            skipped += weight * int(left.sum())
            continue
        both = score(train_x[~left], train_y[~left], torch.cat([train_x[left], test_x]))[1]
        for name, value in both.items():
            held_out, test = value[: int(left.sum())].sort().values, value[int(left.sum()) :].contiguous()
            count = len(held_out) - torch.searchsorted(held_out, test)
            above[name] = above.get(name, torch.zeros(len(test), dtype=torch.float64)) + weight * count
    if units < least_units():
        return {name: torch.ones_like(count) for name, count in above.items()}
    return {name: (1 + skipped + count) / (1 + units) for name, count in above.items()}


def least_units(rejected: float = REJECTED) -> int:
    """How many units it takes before a p value can be as small as ``rejected``."""
    return math.ceil(1 / rejected - 1e-9) - 1


def guarantee(apart: Apart, n: int, rejected: float = REJECTED) -> str:
    """What is promised of n training samples, a sentence without a full stop.

    Args:
        apart: how they were held out.
        n: of how many.
        rejected: the p value at which samples are rejected.
    """
    if apart.groups is not None:
        n = int(apart.groups.max()) + 1
        if n < least_units(rejected):
            return (
                f"nothing: of {n} {apart.unit}s none can be told from all others at {100 * rejected:g} %, which takes "
                f"{least_units(rejected)}, and nothing is rejected"
            )
    if not apart.alike:
        return f"nothing: {apart.why}, and {apart.unit}s are not exchangeable"
    if n < least_units(rejected):
        return f"nothing: it takes {least_units(rejected)} samples, not {n}, and nothing is rejected"
    most = min(1.0, 2 * rejected + 2 * (1 - 1 / FOLDS) / (n / FOLDS + 1))
    return (
        f"at most {100 * most:.0f} % of known samples rejected on average over draws of as many of each class, in "
        f"practice about {100 * rejected:g} %"
    )
