"""Scores that tell unknown classes from known ones.

Every score is an *unknownness*, larger for more unknown. ``auroc`` and its like need nothing more; a decision needs a
threshold, see ``simclr.eval.open_set.thresholds``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from simclr.eval.probes.logistic_probe import logistic
from simclr.eval.probes.prototypes import prototype_distances
from simclr.eval.subject.rows import unit_rows

NEIGHBOURS = 5

Scored = tuple[Tensor, dict[str, Tensor]]
"""Closed-set class of each sample (m,) int64, and its unknownness (m,) float64 by the names of the scores."""
OpenScore = Callable[[Tensor, Tensor, Tensor], Scored]
"""(train_x (n, dim), train_y (n,), test_x (m, dim)) -> Scored."""

SCORE = "mahalanobis"


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
FOLDS_OF = {"logits": 5}
"""The logistic probe is fitted once a fold. Distances are cheap: they leave one sample of each class out at a time."""
LEAST_CLASSES = {"logits": 2}
"""A distance to a single class is one, too."""


def _distance(train_x: Tensor, train_y: Tensor, test_x: Tensor, name: str, distance: str) -> Scored:
    classes, labels = train_y.unique(return_inverse=True)
    distances = prototype_distances(train_x, labels, test_x, len(classes), distance)
    nearest = distances.min(1)
    return classes[nearest.indices], {name: nearest.values}
