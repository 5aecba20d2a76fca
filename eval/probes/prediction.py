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
"""A probe: (train_x (n, dim), train_y (n,), test_x (m, dim)) -> Prediction, see ``eval.probes.registry.fit_probe``."""


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


def standardised(train_x: Tensor, test_x: Tensor, scale: bool = True) -> tuple[Tensor, Tensor]:
    """Both sets in float64, centred on the training mean and, with ``scale``, divided by the training deviation.

    The deviation has n in its denominator, as scikit-learn's StandardScaler has it; a feature that is constant in
    training is only centred.

    Args:
        train_x: (n, dim), any float type.
        test_x: (m, dim), on the same device.
        scale: whether to divide.
    """
    train_x, test_x = train_x.double(), test_x.double()
    mean = train_x.mean(0)
    train_x, test_x = train_x - mean, test_x - mean
    if scale:
        deviation = train_x.square().mean(0).sqrt()
        # Rounding of the mean leaves a constant feature with a deviation of some 1e-16 of its size.
        deviation = deviation.where(deviation > 1e-13 * mean.abs(), 1.0)
        deviation = deviation.where(deviation > 0, 1.0)
        train_x, test_x = train_x.div_(deviation), test_x.div_(deviation)
    return train_x, test_x
