"""Nearest neighbours by cosine, weighted by exp(similarity / temperature): a probe without training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from simclr.errors import InputError
from simclr.eval.probes.prediction import Prediction, Probe, Selected, classes_of
from simclr.eval.splits.validation import FIXED

K = 20
TEMPERATURE = 0.07
ROWS_AT_ONCE = 1024


def _vote(similarity: Tensor, bank_labels: Tensor, k: int, temperature: float, num_classes: int) -> Tensor:
    """Sum of weights of each class among the k nearest, in units of the nearest's weight."""
    near, index = similarity.topk(k, dim=1)
    # Shifted by each row's largest cosine: neither overflow nor all zero at any temperature, and the same vote.
    weights = ((near - near[:, :1]) / temperature).exp()
    votes = similarity.new_zeros(len(similarity), num_classes)
    return votes.scatter_add_(1, bank_labels[index], weights)


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
    bank = normalize(bank.float(), dim=1)
    found = [
        _vote(normalize(rows.float(), dim=1) @ bank.T, bank_labels, min(k, len(bank)), temperature, classes)
        for rows in query.split(ROWS_AT_ONCE)
    ]
    return torch.cat(found) if found else bank.new_zeros(0, classes)


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
    unit, labels = normalize(h.float(), dim=1), labels.to(h.device)
    classes = int(labels.max()) + 1
    right = 0
    for start in range(0, len(unit), ROWS_AT_ONCE):
        similarity = unit[start : start + ROWS_AT_ONCE] @ unit.T
        similarity.diagonal(start).fill_(-torch.inf)
        found = _vote(similarity, labels, min(k, len(unit) - 1), temperature, classes).argmax(1)
        right += int((found == labels[start : start + ROWS_AT_ONCE]).sum())
    return right / len(unit)


def _check(bank: Tensor, labels: Tensor, k: int, temperature: float) -> None:
    if bank.dim() != 2 or len(bank) == 0 or labels.shape != bank.shape[:1]:
        raise InputError(
            f"kNN needs features (n, dim) and n classes, got {tuple(bank.shape)} and {tuple(labels.shape)}."
        )
    if int(labels.min()) < 0:
        raise InputError("kNN got unlabelled samples (class -1): leave them out first.")
    if k < 1 or temperature <= 0:
        raise InputError(f"kNN needs k >= 1 and temperature > 0, got k={k}, temperature={temperature}.")


def knn(train_x: Tensor, train_y: Tensor, test_x: Tensor) -> Prediction:
    """Weighted cosine kNN with fixed k and temperature on centred features; a score is a class's share of the votes.

    Args:
        train_x: features, (n, dim), any float type.
        train_y: classes, (n,) int64.
        test_x: features to classify, (m, dim).

    Raises:
        InputError: if the training samples hold fewer than two classes or an unlabelled one.
    """
    classes = classes_of(train_y)
    mean = train_x.double().mean(0).float()
    bank, columns = train_x.float() - mean, torch.searchsorted(classes, train_y)

    def votes_for(x: Tensor) -> Tensor:
        return knn_votes(bank, columns, x.float() - mean)

    votes = votes_for(test_x)
    shares = votes / votes.sum(1, keepdim=True)
    selected: Selected = {"selected_on": FIXED, "k": min(K, len(train_x)), "temperature": TEMPERATURE}
    return Prediction(classes[votes.argmax(1)], shares, selected, lambda x: classes[votes_for(x).argmax(1)])


PROBE = Probe(knn, "kNN", settings={"features": "centred on the training samples, cosine"})
