"""What every probe gives: the class of each sample, a score for each class, and what was chosen on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from simclr.errors import InputError

Selected = dict[str, Any]


@dataclass(frozen=True)
class Prediction:
    """A probe's answer for m samples.

    Attributes:
        classes: predicted class of each, (m,) int64.
        scores: (m, K) float, larger for likelier, one column for each class of the training samples in ascending order
            (``train_y.unique()``); None for a probe that has none.
        selected: what was chosen on the training samples, and how the solver ended; fit for JSON.
    """

    classes: Tensor
    scores: Tensor | None
    selected: Selected


FitPredict = Callable[..., Prediction]
"""A probe: (train_x (n, dim), train_y (n,), test_x (m, dim)) -> Prediction, see ``eval.linear_probe.fit_probe``."""


def classes_of(train_y: Tensor) -> Tensor:
    """The classes that occur, ascending, (K,) int64.

    Raises:
        InputError: if they are fewer than two, or one is negative (unlabelled).
    """
    classes = train_y.unique()
    if len(classes) < 2:
        raise InputError(f"a probe needs training samples of at least 2 classes, got {len(classes)}.")
    if int(classes[0]) < 0:
        raise InputError("a training sample is unlabelled (class -1): leave unlabelled samples out first.")
    return classes
