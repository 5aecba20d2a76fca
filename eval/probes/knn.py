"""Nearest neighbours by cosine, weighted by exp(similarity / temperature): a probe without training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from simclr.errors import InputError
from simclr.eval.probes.prediction import MOST_SCORES, Prediction, Probe, Selected, classes_of, fit_standardisation
from simclr.eval.splits.validation import FIXED
from simclr.eval.subject.features import check_finite
from simclr.eval.subject.rows import Matrix, unit_rows

K = 20
TEMPERATURE = 0.07
ROWS_AT_ONCE = 1024
# Queries that share one pass over the bank, and its rows in one product.
QUERIES_AT_ONCE = 2**14
BANK_AT_ONCE = 2**12
# Candidates of which the largest alone is looked at first.
GROUP = 32
MOST_CLASSES = 2**20


class Neighbours(NamedTuple):
    """Cosines of the nearest, descending, (m, k) float32, and their places in the bank, (m, k) int64."""

    cosines: Tensor
    places: Tensor


def nearest(bank: Matrix, query: Tensor, k: int, own: int | None = None) -> Neighbours:
    """The k rows of the bank with the largest cosine to each query, the bank read in tiles.

    Args:
        bank: (n, dim), k <= n; a row of zeros is at cosine 0 from everything.
        query: (m, dim), on the bank's device.
        k: neighbours.
        own: place in the bank of the first query, where queries are rows of the bank and no neighbours of themselves.
    """
    units = [unit_rows(rows).float() for rows in query.split(ROWS_AT_ONCE)]
    found: list[Neighbours | None] = [None] * len(units)
    first = 0
    for tile in bank.split(BANK_AT_ONCE):
        tile = unit_rows(tile).float()
        for i, rows in enumerate(units):
            similarity = rows @ tile.T
            if own is not None:
                similarity.diagonal(own + i * ROWS_AT_ONCE - first).fill_(-torch.inf)
            near = _largest(similarity, min(k, len(tile)))
            near = Neighbours(near.cosines, near.places + first)
            before = found[i]
            if before is not None:
                cosines, order = torch.cat([before.cosines, near.cosines], 1).topk(
                    min(k, before.cosines.shape[1] + near.cosines.shape[1]), dim=1
                )
                near = Neighbours(cosines, torch.cat([before.places, near.places], 1).gather(1, order))
            found[i] = near
        first += len(tile)
    parts = [near for near in found if near is not None]
    return Neighbours(torch.cat([p.cosines for p in parts]), torch.cat([p.places for p in parts]))


def _largest(similarity: Tensor, k: int) -> Neighbours:
    """The k largest of each row. Those of many columns lie in the k groups with the largest maxima."""
    rows, columns = similarity.shape
    if columns % GROUP or columns < 4 * k * GROUP:
        return Neighbours(*similarity.topk(k, dim=1))
    groups = similarity.view(rows, -1, GROUP)
    best = groups.amax(2).topk(k, dim=1).indices
    cosines, order = groups.gather(1, best[:, :, None].expand(-1, -1, GROUP)).flatten(1).topk(k, dim=1)
    return Neighbours(cosines, best.gather(1, order // GROUP) * GROUP + order % GROUP)


def _vote(near: Neighbours, bank_labels: Tensor, temperature: float, num_classes: int) -> Tensor:
    """Sum of weights of each class among the nearest, in units of the nearest's weight."""
    # Shifted by each row's largest cosine: neither overflow nor all zero at any temperature, and the same vote.
    weights = ((near.cosines - near.cosines[:, :1]) / temperature).exp()
    votes = weights.new_zeros(len(weights), num_classes)
    return votes.scatter_add_(1, bank_labels[near.places], weights)


def knn_votes(
    bank: Tensor,
    bank_labels: Tensor,
    query: Tensor,
    k: int = K,
    temperature: float = TEMPERATURE,
    num_classes: int | None = None,
) -> Tensor:
    """Votes of each query's k nearest bank rows under the cosine, weighted by exp(cosine / temperature).

    Args:
        bank: features with known classes, (n, dim), any float type; a row of zeros is at cosine 0 from everything.
        bank_labels: their classes, (n,) int64, 0 <= class < num_classes.
        query: features to classify, (m, dim).
        k: neighbours; clamped to n.
        temperature: of the weights, in units of cosine.
        num_classes: largest class + 1 when None.

    Returns:
        (m, num_classes) float32 on the bank's device: weights summed over each class, in units of the nearest row's.

    Raises:
        InputError: if the bank is empty, widths differ, or k or the temperature is not positive.

    Source: Wu et al., "Unsupervised feature learning via non-parametric instance discrimination", CVPR 2018, sec. 3.4.
    """
    _check(bank, bank_labels, k, temperature)
    if query.dim() != 2 or query.shape[1] != bank.shape[1]:
        raise InputError(f"query is {tuple(query.shape)}, but the bank's features have width {bank.shape[1]}.")
    classes = num_classes if num_classes is not None else int(bank_labels.max()) + 1
    if num_classes is None and classes > MOST_CLASSES:
        raise InputError(
            f"a class is {classes - 1}, and votes have a column for each number up to it: number classes by those that "
            f"occur, torch.unique(labels, return_inverse=True)."
        )
    if not len(query):
        return bank.new_zeros(0, classes, dtype=torch.float32)
    return _vote(nearest(bank, query, min(k, len(bank))), bank_labels, temperature, classes)


def knn_accuracy(h: Tensor, labels: Tensor, k: int = K, temperature: float = TEMPERATURE) -> float:
    """Leave-one-out accuracy of the weighted kNN: each row is classified by all the others.

    Args:
        h: representations, (n, dim), any float type, n >= 2.
        labels: classes, (n,) int64, none negative.
        k: neighbours; clamped to n - 1.
        temperature: as in :func:`knn_votes`.

    Raises:
        InputError: as in :func:`knn_votes`, or with fewer than two rows.
    """
    _check(h, labels, k, temperature)
    if len(h) < 2:
        raise InputError("leave-one-out kNN needs at least 2 samples, got 1.")
    classes, columns = labels.to(h.device).unique(return_inverse=True)
    right = 0
    for first in range(0, len(h), QUERIES_AT_ONCE):
        some = slice(first, first + QUERIES_AT_ONCE)
        near = nearest(h, h[some], min(k, len(h) - 1), own=first)
        for part in range(0, len(near.cosines), ROWS_AT_ONCE):
            rows = slice(part, part + ROWS_AT_ONCE)
            votes = _vote(Neighbours(*(a[rows] for a in near)), columns, temperature, len(classes))
            right += int((votes.argmax(1) == columns[some][rows]).sum())
    return right / len(h)


def _check(bank: Tensor, labels: Tensor, k: int, temperature: float) -> None:
    if bank.dim() != 2 or len(bank) == 0 or labels.shape != bank.shape[:1]:
        raise InputError(
            f"kNN needs features (n, dim) and n classes, got {tuple(bank.shape)} and {tuple(labels.shape)}."
        )
    if int(labels.min()) < 0:
        raise InputError("kNN got unlabelled samples (class -1): leave them out first.")
    check_finite(bank, torch.arange(len(bank)), "features")
    if k < 1 or not temperature > 0:
        raise InputError(f"kNN needs k >= 1 and temperature > 0, got k={k}, temperature={temperature}.")


def knn(train_x: Matrix, train_y: Tensor, test_x: Matrix) -> Prediction:
    """Weighted cosine kNN with fixed k and temperature on centred features; a score is a class's share of the votes.

    Args:
        train_x: features, (n, dim), any float type.
        train_y: classes, (n,) int64.
        test_x: features to classify, (m, dim).

    Raises:
        InputError: if the training samples hold fewer than two classes or an unlabelled one.
    """
    classes = classes_of(train_y)
    centre = fit_standardisation(train_x, scale=False)
    bank, columns = centre(train_x), torch.searchsorted(classes, train_y)
    k = min(K, len(train_x))

    def votes_of(x: Matrix) -> Iterator[Tensor]:
        """Shares of the votes, some samples after the other."""
        for some in x.split(QUERIES_AT_ONCE):
            near = nearest(bank, centre(some), k)
            for parts in zip(*(part.split(ROWS_AT_ONCE) for part in near)):
                votes = _vote(Neighbours(*parts), columns, TEMPERATURE, len(classes))
                yield votes / votes.sum(1, keepdim=True)

    def classify(x: Matrix) -> Tensor:
        return torch.cat([classes[votes.argmax(1)] for votes in votes_of(x)])

    selected: Selected = {"selected_on": FIXED, "k": k, "temperature": TEMPERATURE}
    if len(test_x) * len(classes) > MOST_SCORES:
        return Prediction(classify(test_x), None, selected, classify)
    shares = torch.cat(list(votes_of(test_x)))
    return Prediction(classes[shares.argmax(1)], shares, selected, classify)


PROBE = Probe(knn, "kNN", tiles=True, settings={"features": "centred on the training samples, cosine"})
