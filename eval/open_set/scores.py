"""Scores that tell unknown classes from known ones, and thresholds for them from training samples alone.

Every score is an *unknownness*, larger for more unknown. ``auroc`` and its like need nothing more; a decision needs a
threshold, which is fitted on training samples that were scored by a model that had not seen them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.stats import weibull_min
from torch import Tensor

from simclr.augment.checks import shown
from simclr.errors import InputError
from simclr.eval.probes.logistic_probe import logistic
from simclr.eval.probes.prediction import Selected
from simclr.eval.probes.prototype_probe import nearest_prototype
from simclr.eval.splits.validation import folds_of
from simclr.eval.subject.rows import unit_rows

REJECTED = 0.05
"""Share of known samples that a threshold is meant to reject."""
TAIL = 0.5
NEIGHBOURS = 5
FOLDS = 5
THRESHOLDS = ("quantile", "weibull")

Scored = tuple[Tensor, dict[str, Tensor]]
"""Closed-set class of each sample (m,) int64, and its unknownness (m,) float64 by the names of the scores."""
OpenScore = Callable[[Tensor, Tensor, Tensor], Scored]
"""(train_x (n, dim), train_y (n,), test_x (m, dim)) -> Scored."""

SCORE = "mahalanobis"
THRESHOLD = "quantile"


def by_prototype(train_x: Tensor, train_y: Tensor, test_x: Tensor) -> Scored:
    """Euclidean distance to the nearest prototype of standardised features."""
    return _distance(train_x, train_y, test_x, "prototype", "standardized")


def by_mahalanobis(train_x: Tensor, train_y: Tensor, test_x: Tensor) -> Scored:
    """Distance to the nearest prototype by the shrunk pooled within-class covariance.

    Source: Lee et al., "A simple unified framework for detecting out-of-distribution samples", NeurIPS 2018, eq. 2.
    """
    return _distance(train_x, train_y, test_x, "mahalanobis", "mahalanobis")


def by_neighbour(train_x: Tensor, train_y: Tensor, test_x: Tensor) -> Scored:
    """Distance to the k-th nearest training sample on the unit sphere; the class is that of the nearest.

    k is ``NEIGHBOURS``, but no more than the samples of the smallest class.

    Source: Sun et al., "Out-of-distribution detection with deep nearest neighbors", ICML 2022, section 3.
    """
    train, test = (unit_rows(x.double()) for x in (train_x, test_x))
    k = min(NEIGHBOURS, int(train_y.unique(return_counts=True)[1].min()))
    near, index = torch.cdist(test, train).topk(k, dim=1, largest=False)
    return train_y[index[:, 0]], {"knn": near[:, -1]}


def by_logits(train_x: Tensor, train_y: Tensor, test_x: Tensor) -> Scored:
    """Of the logistic probe: ``max softmax``, one minus the largest probability, and ``energy``, minus log-sum-exp.

    Source: Hendrycks & Gimpel, "A baseline for detecting misclassified and out-of-distribution examples", ICLR 2017;
        Liu et al., "Energy-based out-of-distribution detection", NeurIPS 2020, eq. 4.
    """
    found = logistic(train_x, train_y, test_x, calibrate=False)
    assert found.scores is not None
    logits = found.scores.double()
    return found.classes, {"max softmax": 1 - logits.softmax(1).max(1).values, "energy": -logits.logsumexp(1)}


OPEN_SCORES: dict[str, OpenScore] = {
    "prototype": by_prototype,
    "mahalanobis": by_mahalanobis,
    "knn": by_neighbour,
    "logits": by_logits,
}
"""What gives one or two scores, by name."""


def held_out_scores(score: OpenScore, train_x: Tensor, train_y: Tensor, folds: int | None = FOLDS) -> dict[str, Tensor]:
    """Unknownness of training samples, each by a model of the other folds.

    The j-th sample of every class goes to fold j mod ``folds``, so that up to ``folds`` shots this leaves one sample
    of each class out at a time. A class with a single sample stays in the training part and gets no score.

    Args:
        score: of ``OPEN_SCORES``.
        train_x: (n, dim).
        train_y: (n,) int64.
        folds: number of them; None leaves one sample of each class out at a time, whatever their number.

    Returns:
        By score name (n',) float64, n' = samples of classes that have two or more.

    Raises:
        InputError: if no class has two samples: nothing can be left out.
    """
    if int(train_y.unique(return_counts=True)[1].max()) < 2:
        raise InputError("a threshold comes from training samples that are left out: give 2 shots or more.")
    fold = folds_of(train_y, folds)
    folds = int(fold.max()) + 1
    held = [fold == part for part in range(folds)]
    found = [score(train_x[~rows], train_y[~rows], train_x[rows])[1] for rows in held]
    return {name: torch.cat([scores[name] for scores in found]) for name in found[0]}


def threshold(held_out: Tensor, kind: str, rejected: float = REJECTED) -> tuple[float, Selected]:
    """The unknownness above which a sample is called unknown.

    - ``quantile``: the 1 - ``rejected`` quantile of the scores (linear interpolation).
    - ``weibull``: what the scores' largest half (``TAIL``) exceeds the rest by follows a Weibull distribution of two
      parameters, fitted by maximum likelihood (``scipy.stats.weibull_min``, location fixed); the threshold is where
      its tail, times the half, leaves ``rejected``. It looks beyond the largest score where the quantile cannot. With
      fewer than 5 different values in the tail there is nothing to fit, and the quantile takes its place.

    Args:
        held_out: unknownness of known samples, (n,), none of which the scoring model has seen.
        kind: one of ``THRESHOLDS``.
        rejected: share of known samples to be rejected, in (0, ``TAIL``).

    Returns:
        The threshold, and how it was found, fit for JSON.

    Raises:
        InputError: unknown kind, or no scores.

    Source: Coles, "An introduction to statistical modeling of extreme values", 2001, chapter 4 (exceedances);
        Scheirer et al., "Meta-recognition", TPAMI 2011 (Weibull tails of recognition scores).
    """
    if kind not in THRESHOLDS:
        raise InputError(f"there is no threshold {shown(kind)}: choose from {', '.join(THRESHOLDS)}.")
    values = np.sort(held_out.double().numpy())
    if len(values) == 0:
        raise InputError("a threshold needs scores of training samples, but there are none.")
    quantile = float(np.quantile(values, 1 - rejected))
    found: Selected = {"threshold": kind, "rejected": rejected, "samples": len(values)}
    if kind == "quantile":
        return quantile, found
    tail = values[len(values) - max(1, round(TAIL * len(values))) :]
    below = values[len(values) - len(tail) - 1] if len(tail) < len(values) else values[0]
    excess = tail - below
    excess = excess[excess > 0]
    if len(np.unique(excess)) < 5:
        return quantile, found | {"weibull": None, "why": "fewer than 5 different scores in the tail: the quantile"}
    # In units of its mean, which keeps the solver where its start lies.
    shape, _, scale = weibull_min.fit(excess / excess.mean(), floc=0)
    cut = below + excess.mean() * weibull_min.isf(rejected * len(values) / len(excess), shape, scale=scale)
    return float(cut), found | {"shape": float(shape), "scale": float(scale * excess.mean()), "above": float(below)}


def _distance(train_x: Tensor, train_y: Tensor, test_x: Tensor, name: str, distance: str) -> Scored:
    found = nearest_prototype(train_x, train_y, test_x, distance)
    assert found.scores is not None
    return found.classes, {name: (-found.scores).min(1).values}
