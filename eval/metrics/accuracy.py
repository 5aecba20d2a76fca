"""How good a set of predictions is: overall accuracy, average accuracy, Cohen's kappa, and the recall of each class."""

from __future__ import annotations

import torch
from torch import Tensor

from eval.subject.features import check_finite
from simclr.errors import InputError

METRICS = ("oa", "aa", "kappa")
ACCURACIES = (*METRICS, "accuracy")


def confusion(labels: Tensor, predictions: Tensor) -> Tensor:
    """Counts of (true class, predicted class), over every class that occurs in either.

    Args:
        labels: true classes, (n,) int64, none negative.
        predictions: predicted classes, (n,) int64.

    Returns:
        (K, K) int64: row = true class, column = predicted class, K = largest class + 1.

    Raises:
        InputError: if the two differ in length, are empty, or a label is negative (unlabelled).
    """
    if labels.shape != predictions.shape or labels.dim() != 1 or len(labels) == 0:
        raise InputError(
            f"labels {tuple(labels.shape)} and predictions {tuple(predictions.shape)} must be two lists of one length."
        )
    if int(labels.min()) < 0:
        raise InputError("a label is negative (unlabelled): leave unlabelled samples out before scoring.")
    classes = int(max(labels.max(), predictions.max())) + 1
    return (labels * classes + predictions).bincount(minlength=classes**2).reshape(classes, classes)


def check_labelled(features: Tensor, labels: Tensor) -> None:
    """Raises InputError unless features are (n, dim), finite, and each has a class (n,) that is not negative."""
    if features.dim() != 2 or labels.shape != features.shape[:1] or len(labels) == 0:
        raise InputError(
            f"features are {tuple(features.shape)} and labels {tuple(labels.shape)}: give (n, dim) and (n,) of one n."
        )
    if int(labels.min()) < 0:
        raise InputError("a label is negative (unlabelled): leave unlabelled samples out before scoring.")
    check_finite(features, torch.arange(len(features)), "features")


def per_class_recall(labels: Tensor, predictions: Tensor) -> dict[int, float]:
    """Share of each class's samples that were recognised, for the classes that occur in ``labels``."""
    counts = confusion(labels, predictions).double()
    total = counts.sum(1)
    return {c: float(counts[c, c] / total[c]) for c in range(len(counts)) if total[c] > 0}


def scores(labels: Tensor, predictions: Tensor) -> dict[str, float]:
    """Overall accuracy ``oa``, average accuracy ``aa`` and Cohen's ``kappa``, as fractions (kappa may be negative).

    ``oa`` is the trace of the confusion matrix over n (plain accuracy); ``aa`` the mean recall of the classes that
    occur in ``labels``; ``kappa = (oa - p_e) / (1 - p_e)`` with p_e the agreement expected by chance (1 when both lists
    hold one and the same class).

    Args:
        labels: true classes, (n,) int64, none negative.
        predictions: predicted classes, (n,) int64.

    Raises:
        InputError: as in :func:`confusion`.

    Source: Cohen, "A coefficient of agreement for nominal scales", 1960, eq. 1.
    """
    counts = confusion(labels, predictions).double()
    n = counts.sum()
    oa = float(counts.trace() / n)
    recalls = per_class_recall(labels, predictions)
    chance = float((counts.sum(0) * counts.sum(1)).sum() / n**2)
    kappa = 1.0 if chance == 1.0 else (oa - chance) / (1.0 - chance)
    return {"oa": oa, "aa": sum(recalls.values()) / len(recalls), "kappa": kappa}
