"""What a metric is, and what it may look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from simclr.errors import InputError
from simclr.eval.subject.features import check_finite

Need = Literal["predictions", "logits", "temperature", "features"]
Family = Literal["accuracy", "calibration", "structure", "other"]
MOST_CLASSES = 1_000
"""With more, pairs of classes are not counted."""


@dataclass(frozen=True)
class Metric:
    """A number that says how good something is.

    Attributes:
        function: of a :class:`Judgement`; of a metric that needs features, of features (n, dim), classes (n,) and a
            seed. Gives a float, larger or smaller being better as the field has it.
        title: the field's way to write it.
        needs: what must be there for it. ``temperature`` means logits and a temperature.
        family: what tables show it among; other metrics stand beside calibration.
        by: of a metric that needs features, what looks at them: metrics of one name stand together.
        few_or_scene: whether it is reported for few shots and for scenes alone, as is customary there.
    """

    function: Callable[..., float]
    title: str
    needs: Need = "predictions"
    family: Family = "other"
    by: str | None = None
    few_or_scene: bool = False


@dataclass(frozen=True)
class Judgement:
    """What a probe made of the test samples of a split.

    Attributes:
        truth: true classes, (m,) int64, none negative.
        classes: predicted classes, (m,) int64.
        logits: (m, K) float, whose softmax are probabilities, the largest being that of the predicted class; None of a
            probe that has none.
        temperature: that calibrates the logits, fitted on other samples; None where there is none.

    Raises:
        InputError: (by ``counts`` and ``by_class``) if the two differ in length, are empty, or a true class is
            negative (unlabelled).
    """

    truth: Tensor
    classes: Tensor
    logits: Tensor | None = None
    temperature: float | None = None

    @cached_property
    def counts(self) -> Tensor | None:
        """Counts of (true class, predicted class), (K, K) int64, see :func:`confusion`; None of too many classes."""
        if int(max(self.truth.max(), self.classes.max())) >= MOST_CLASSES:
            return None
        return confusion(self.truth, self.classes)

    @cached_property
    def by_class(self) -> ClassCounts:
        """How often each class occurs, was predicted and was recognised, see :func:`class_counts`."""
        return class_counts(self.truth, self.classes)

    @property
    def correct(self) -> Tensor:
        """Whether each sample was recognised, (m,) bool."""
        return self.classes == self.truth

    def has(self, need: Need) -> bool:
        """Whether a metric with this need has all that it needs."""
        if need == "features":
            return False
        return need == "predictions" or (self.logits is not None and (need == "logits" or self.temperature is not None))


class ClassCounts(NamedTuple):
    """Of the classes that occur in truth or predictions, ascending, (C,) int64 each."""

    classes: Tensor
    true: Tensor
    predicted: Tensor
    right: Tensor


def class_counts(labels: Tensor, predictions: Tensor) -> ClassCounts:
    """How many samples of each class there are, were called so, and both; nothing grows with the largest number.

    Args:
        labels: true classes, (n,) int64, none negative.
        predictions: predicted classes, (n,) int64.

    Raises:
        InputError: if the two differ in length, are empty, or a label is negative (unlabelled).
    """
    _check_pairs(labels, predictions)
    classes, place = torch.cat([labels, predictions]).unique(return_inverse=True)
    true, predicted = place.split(len(labels))
    right = true[true == predicted]
    return ClassCounts(classes, *(which.bincount(minlength=len(classes)) for which in (true, predicted, right)))


def confusion(labels: Tensor, predictions: Tensor) -> Tensor:
    """Counts of (true class, predicted class), over every class that occurs in either.

    Args:
        labels: true classes, (n,) int64, none negative.
        predictions: predicted classes, (n,) int64.

    Returns:
        (K, K) int64: row = true class, column = predicted class, K = largest class + 1.

    Raises:
        InputError: if the two differ in length, are empty, a label is negative (unlabelled), or K is beyond
            ``MOST_CLASSES``.
    """
    _check_pairs(labels, predictions)
    classes = int(max(labels.max(), predictions.max())) + 1
    if classes > MOST_CLASSES:
        raise InputError(f"a class is {classes - 1}: {classes:,} x {classes:,} counts are too many.")
    return (labels * classes + predictions).bincount(minlength=classes**2).reshape(classes, classes)


def _check_pairs(labels: Tensor, predictions: Tensor) -> None:
    if labels.shape != predictions.shape or labels.dim() != 1 or len(labels) == 0:
        raise InputError(
            f"labels {tuple(labels.shape)} and predictions {tuple(predictions.shape)} must be two lists of one length."
        )
    if int(labels.min()) < 0:
        raise InputError("a label is negative (unlabelled): leave unlabelled samples out before scoring.")


def check_labelled(features: Tensor, labels: Tensor) -> None:
    """Raises InputError unless features are (n, dim), finite, and each has a class (n,) that is not negative."""
    if features.dim() != 2 or labels.shape != features.shape[:1] or len(labels) == 0:
        raise InputError(
            f"features are {tuple(features.shape)} and labels {tuple(labels.shape)}: give (n, dim) and (n,) of one n."
        )
    if int(labels.min()) < 0:
        raise InputError("a label is negative (unlabelled): leave unlabelled samples out before scoring.")
    check_finite(features, torch.arange(len(features)), "features")
