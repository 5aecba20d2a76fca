"""Nearest prototype as a probe: one task of any number of samples, its means and covariance summed up tile by tile."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from simclr.augment.checks import shown
from simclr.errors import InputError
from simclr.eval.probes.prediction import Prediction, Probe, Selected, answer, classes_of, fit_standardisation
from simclr.eval.probes.prototypes import DISTANCES, between, shrinkage, whitening
from simclr.eval.subject.rows import Matrix, labelled_tiles


class PrototypeSpace(NamedTuple):
    """Where a distance is the Euclidean one, or the cosine's.

    Attributes:
        means: of the classes, (K, dim) float64.
        transform: samples (b, dim) float64 -> what is compared with the means.
        shrinkage: of the covariance of a Mahalanobis distance, else None.
    """

    means: Tensor
    transform: Callable[[Tensor], Tensor]
    shrinkage: float | None = None


def nearest_prototype(train_x: Matrix, train_y: Tensor, test_x: Matrix, distance: str = "euclidean") -> Prediction:
    """Classifies by the nearest prototype; nothing is chosen, so there is nothing to select.

    Args:
        train_x: features, (n, dim), any float type.
        train_y: classes, (n,) int64.
        test_x: features to classify, (m, dim).
        distance: one of ``DISTANCES``, see ``simclr.eval.probes.prototypes.prototype_distances``.

    Returns:
        The classes, minus the (squared) distances as scores, and the ``shrinkage`` of a Mahalanobis distance.

    Raises:
        InputError: unknown distance, fewer than two classes, or an unlabelled training sample.

    Source: Snell, Swersky & Zemel, "Prototypical networks for few-shot learning", NeurIPS 2017, eq. 1 and 2.
    """
    classes = classes_of(train_y)
    space = prototype_space(train_x, torch.searchsorted(classes, train_y), len(classes), distance)

    def decide(tile: Tensor) -> Tensor:
        return -between(space.means, space.transform(tile.double()), distance)

    found = answer(decide, classes, test_x)
    selected: Selected = {"distance": distance}
    if space.shrinkage is not None:
        selected["shrinkage"] = space.shrinkage
    return Prediction(found.classes, found.scores, selected, lambda x: answer(decide, classes, x).classes)


def prototype_space(support: Matrix, labels: Tensor, ways: int, distance: str) -> PrototypeSpace:
    """Prototypes, and the transform that goes with a distance.

    Args:
        support: (n, dim), any float type.
        labels: (n,) int64 in 0..ways-1, each class at least once.
        ways: number of classes, K.
        distance: one of ``DISTANCES``.

    Raises:
        InputError: if the distance is unknown.
    """
    if distance not in DISTANCES:
        raise InputError(f"there is no distance {shown(distance)}: choose from {', '.join(DISTANCES)}.")
    n, dim = support.shape
    units = fit_standardisation(support, scale=distance == "standardized")
    # Less the centre of all, so that sums lose no digits to an offset that the samples have in common.
    sums = torch.zeros(ways, dim, dtype=torch.float64)
    for tile, mine in labelled_tiles(support, labels):
        sums.index_add_(0, mine, tile.double() - units.mean)
    means = sums / labels.bincount(minlength=ways)[:, None]
    if units.deviation is not None:
        # Of n - 1 degrees of freedom.
        deviation = units.deviation * (n / max(n - 1, 1)) ** 0.5
        return PrototypeSpace(means / deviation, lambda x: (x - units.mean) / deviation)

    def centred(x: Tensor) -> Tensor:
        return x - units.mean

    if distance != "mahalanobis":
        return PrototypeSpace(means, centred)
    rows, gram, quartic = [], torch.zeros(dim, dim, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for tile, mine in labelled_tiles(support, labels):
        residuals = centred(tile.double()) - means[mine]
        quartic += residuals.square().sum(1).square().sum()
        if n < dim:
            rows.append(residuals)
        else:
            gram.addmm_(residuals.T, residuals)
    wide = torch.cat(rows) if rows else None
    gram = gram if wide is None else wide @ wide.T
    weight = shrinkage(gram, quartic, n, dim)
    if n <= ways:  # no class has two samples: there is no covariance
        return PrototypeSpace(means, centred, float(weight))
    whiten = whitening(gram, weight, n, wide)
    return PrototypeSpace(whiten(means), lambda x: whiten(centred(x)), float(weight))


EUCLIDEAN, STANDARDIZED, COSINE, MAHALANOBIS = (
    Probe(partial(nearest_prototype, distance=distance), f"prototype {distance}", tiles=True) for distance in DISTANCES
)
