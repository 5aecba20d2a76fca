"""Nearest prototype: a class is the mean of its few samples, a sample goes to the class whose mean lies nearest.

Every distance is the Euclidean one after a transform that is fitted on the support samples alone, so a whole batch of
episodes is a handful of matrix products.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from simclr.augment.checks import shown
from simclr.errors import InputError
from simclr.eval.probes.prediction import Prediction, Probe, Selected, classes_of

DISTANCES = ("euclidean", "standardized", "cosine", "mahalanobis")
# Two samples in all leave nothing to shrink by: a covariance of rank one would then be inverted.
LEAST_SHRINKAGE = 1e-3


def class_means(x: Tensor, labels: Tensor, ways: int) -> Tensor:
    """Mean of each class's rows: (..., n, dim), (..., n) int64 in 0..ways-1 -> (..., ways, dim)."""
    member = F.one_hot(labels, ways).to(x.dtype)
    return (member / member.sum(-2, keepdim=True)).transpose(-1, -2) @ x


def ledoit_wolf(residuals: Tensor) -> Tensor:
    """Weight of the scaled identity in the shrunk covariance (1 - s)·S + s·(tr S / dim)·I of centred rows.

    Args:
        residuals: (..., n, dim), each row minus the mean of its class.

    Returns:
        s, (...), from 0 to 1; 1 where all rows are zero.

    Source: Ledoit & Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", 2004, section 3.3.
    """
    n, dim = residuals.shape[-2:]
    # Everything is a sum over S, so the smaller of the two Gram matrices will do.
    gram = residuals @ residuals.mT if n < dim else residuals.mT @ residuals
    square = gram.square().sum((-2, -1)) / n**2  # ||S||²
    trace = gram.diagonal(dim1=-2, dim2=-1).sum(-1) / n
    delta = square - trace.square() / dim
    beta = residuals.square().sum(-1).square().sum(-1) / n**2 - square / n
    return torch.where(delta > 0, (beta / delta.where(delta > 0, 1.0)).clamp(0, 1), 1.0)


def _transformed(support: Tensor, labels: Tensor, query: Tensor, ways: int, distance: str) -> tuple[Tensor, Tensor]:
    """Prototypes (float64) and queries (in their own precision: they are many) where ``distance`` is Euclidean.

    The transforms are affine, so that of a prototype is the mean of those of its support.
    """
    support = support.double()
    means = class_means(support, labels, ways)
    if distance == "standardized":
        std = support.std(-2, keepdim=True)
        std = std.where(std > 0, 1.0)
        return means / std, query / std.to(query.dtype)
    if distance == "cosine":
        centre = support.mean(-2, keepdim=True)
        return means - centre, query - centre.to(query.dtype)
    if distance == "mahalanobis":
        return _whitened(support, labels, means, query)
    return means, query


def prototype_distances(support: Tensor, labels: Tensor, query: Tensor, ways: int, distance: str) -> Tensor:
    """Squared distance of each query to each class's prototype, the mean of its support rows.

    - ``euclidean``: the squared Euclidean distance.
    - ``standardized``: the same, every feature divided by its standard deviation over the support (n - 1).
    - ``cosine``: 1 - cosine, of features centred on the support's mean.
    - ``mahalanobis``: by the pooled within-class covariance of the support, shrunk as by Ledoit and Wolf; where no
      class has two samples there is none, and the distance is the Euclidean one.

    Args:
        support: (..., n, dim), any float type; leading dimensions are separate episodes.
        labels: class of each support row, (..., n) int64 in 0..ways-1, each class at least once.
        query: (..., m, dim).
        ways: number of classes.
        distance: one of ``DISTANCES``.

    Returns:
        (..., m, ways) float64.

    Raises:
        InputError: if the distance is unknown.
    """
    if distance not in DISTANCES:
        raise InputError(f"there is no distance {shown(distance)}: choose from {', '.join(DISTANCES)}.")
    means, query = _transformed(support, labels, query, ways, distance)
    if distance == "cosine":
        return 1 - (F.normalize(query, dim=-1) @ F.normalize(means, dim=-1).to(query.dtype).mT).double()
    # Around the support's centre the squares below cancel little.
    centre = means.mean(-2, keepdim=True)
    means, query = means - centre, query - centre.to(query.dtype)
    cross = (query @ means.to(query.dtype).mT).double()
    squares = query.square().sum(-1).double()[..., :, None] + means.square().sum(-1)[..., None, :]
    return (squares - 2 * cross).clamp_min(0)


def nearest_prototype(train_x: Tensor, train_y: Tensor, test_x: Tensor, distance: str = "euclidean") -> Prediction:
    """Classifies by the nearest prototype; nothing is chosen, so there is nothing to select.

    Args:
        train_x: features, (n, dim), any float type.
        train_y: classes, (n,) int64.
        test_x: features to classify, (m, dim).
        distance: one of ``DISTANCES``, see :func:`prototype_distances`.

    Returns:
        The classes, minus the (squared) distances as scores, and the ``shrinkage`` of a Mahalanobis distance.

    Raises:
        InputError: unknown distance, fewer than two classes, or an unlabelled training sample.

    Source: Snell, Swersky & Zemel, "Prototypical networks for few-shot learning", NeurIPS 2017, eq. 1 and 2.
    """
    classes = classes_of(train_y)
    labels = torch.searchsorted(classes, train_y)

    def distances_of(x: Tensor) -> Tensor:
        return prototype_distances(train_x, labels, x, len(classes), distance)

    distances = distances_of(test_x)
    selected: Selected = {"distance": distance}
    if distance == "mahalanobis":
        x = train_x.double()
        selected["shrinkage"] = float(ledoit_wolf(x - class_means(x, labels, len(classes))[labels]))
    return Prediction(classes[distances.argmin(1)], -distances, selected, lambda x: classes[distances_of(x).argmin(1)])


def _whitened(support: Tensor, labels: Tensor, means: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """x -> C^(-1/2) x with C the shrunk pooled within-class covariance.

    C is a multiple a of the identity off the span of the residuals and a + b·λ along their principal directions, so it
    takes an eigendecomposition no larger than the number of rows.
    """
    n, dim = support.shape[-2:]
    residuals = support - means.gather(-2, labels.unsqueeze(-1).expand(*labels.shape, dim))
    trace = residuals.square().sum((-2, -1)) / n
    if n <= means.shape[-2]:
        return means, query
    weight = ledoit_wolf(residuals).clamp_min(LEAST_SHRINKAGE)
    # Equal rows in every class: nothing to scale by.
    a = (weight * trace / dim).where(trace > 0, 1.0)[..., None, None]
    b = ((1 - weight) / n)[..., None, None]
    if n < dim:
        values, left = torch.linalg.eigh(residuals @ residuals.mT)
        root = values.clamp_min(0).sqrt()
        usable = root > root.amax(-1, keepdim=True) * 1e-7
        directions = left.mT @ residuals / root.where(usable, torch.inf).unsqueeze(-1)  # zero rows where unusable
        values = values.where(usable, 0.0)
    else:
        values, right = torch.linalg.eigh(residuals.mT @ residuals)
        values, directions = values.clamp_min(0), right.mT
    shrink = (a / (a + b * values.unsqueeze(-1))).sqrt() - 1  # (..., r, 1)

    def whiten(x: Tensor) -> Tensor:
        along = x @ directions.to(x.dtype).mT
        return (x + along @ (shrink * directions).to(x.dtype)) / a.sqrt().to(x.dtype)

    return whiten(means), whiten(query)


EUCLIDEAN, STANDARDIZED, COSINE, MAHALANOBIS = (
    Probe(partial(nearest_prototype, distance=distance), f"prototype {distance}") for distance in DISTANCES
)
