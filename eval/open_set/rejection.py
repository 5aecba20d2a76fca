"""Rejection by reconstruction error: what is reconstructed worse than training samples are is of an unknown class.

A Weibull distribution is fitted to the tail of the training samples' errors, and a sample is rejected where its cdf is
above one half: where the sample's error is above the median of such a tail. MDL4OW does this for all classes together,
or for each class by itself. Of the two one is chosen; the second is not applied to what the first has left.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import gumbel_l
from torch import Tensor

from simclr.errors import InputError

TAILS = ("tail", "tail by class")
"""Kinds of thresholds that the two set."""

_STEEP = 1e6
"""Shape of a tail whose errors are all alike: a step at that error."""
_LEAST = 1e-30


class Tail(NamedTuple):
    """A Weibull distribution, cdf(x) = 1 − exp(−(x / scale)^shape).

    Attributes:
        shape, scale: above 0.
        samples: how many errors it was fitted to.
    """

    shape: float
    scale: float
    samples: int

    @property
    def median(self) -> float:
        """The error at which the cdf is one half."""
        return self.scale * math.log(2) ** (1 / self.shape)


class Rejection(NamedTuple):
    """What is rejected of samples, and by what.

    Attributes:
        rejected: (m,) bool.
        unknownness: (m,) float64, above 0 where a sample is rejected and larger for a larger cdf, also where the cdf
            itself is 1 in float64: log(−log(1 − cdf)) − log(log 2).
        tails: one of all, or of each class by its number.
    """

    rejected: Tensor
    unknownness: Tensor
    tails: dict[int | None, Tail]


def fit_tail(errors: Tensor, samples: int) -> Tail:
    """The Weibull distribution of the largest errors, by maximum likelihood; it begins at 0, where errors do.

    Args:
        errors: (n,) ≥ 0, any float type.
        samples: length of the tail; all errors where there are fewer.

    Raises:
        InputError: no error, or one that is negative, NaN or infinite.

    Source: Liu, Shi & Zhang, "Few-shot hyperspectral image classification with unknown classes using multitask deep
        learning", TGRS 2021, section III; Scheirer et al., "Meta-recognition", TPAMI 2011.
    """
    values = _checked("errors of training samples", errors)
    if len(values) == 0:
        raise InputError("a tail needs errors of training samples, but there are none.")
    # The logarithm of a Weibull variable follows Gumbel's distribution, whose likelihood has one equation to solve.
    tail = np.log(np.maximum(np.sort(values)[-samples:], _LEAST))
    if tail[-1] - tail[0] < 1 / _STEEP:
        just_above = float(np.exp(tail[-1])) * (1 + 1e-9)
        return Tail(_STEEP, just_above / math.log(2) ** (1 / _STEEP), len(tail))
    location, spread = gumbel_l.fit(tail)
    return Tail(float(1 / spread), float(np.exp(location)), len(tail))


def reject(train_errors: Tensor, train_classes: Tensor, errors: Tensor, *, copies: int = 1) -> Rejection:
    """Global rejection: one tail of max(20, 2k) errors of all training samples, with k samples a class on average.

    Args:
        train_errors: of training samples, (n,) ≥ 0.
        train_classes: their classes, (n,) integers.
        errors: of the samples in question, (m,) ≥ 0.
        copies: how many of the training errors are of one sample. MDL4OW's are of four, the sample flipped, so that
            its tail of 2k is that of k/2 samples.

    Raises:
        InputError: as `fit_tail`; or other lengths.

    Source: as of `fit_tail`.
    """
    per_class = len(train_errors) / max(1, copies * len(_classes_of(train_errors, train_classes)))
    tail = fit_tail(train_errors, max(20, round(2 * per_class)))
    return _rejection(errors, torch.zeros(len(errors), dtype=torch.int64), {None: tail}, [tail])


def reject_by_class(
    train_errors: Tensor, train_classes: Tensor, errors: Tensor, classes: Tensor, *, copies: int = 1
) -> Rejection:
    """Class-wise rejection: a tail of max(3, k/5) errors of each class's k training samples, asked for the class found.

    Args:
        train_errors, train_classes, errors, copies: as of `reject`.
        classes: what the classifier says of the samples in question, (m,) integers, each among the training classes.

    Raises:
        InputError: as `reject`; or a class without training samples.

    Source: as of `fit_tail`.
    """
    known = _classes_of(train_errors, train_classes)
    if len(classes) != len(errors):
        raise InputError(f"there are {len(errors)} errors, but {len(classes)} classes: give one for each.")
    tails: dict[int | None, Tail] = {}
    for label in known.tolist():
        own = train_errors[train_classes == label]
        tails[label] = fit_tail(own, max(3, round(len(own) / (5 * copies))))
    place = torch.searchsorted(known, classes.to(known)).clamp(max=len(known) - 1)
    if bool((known[place] != classes).any()):
        stranger = int(classes[known[place] != classes][0])
        raise InputError(f"class {stranger} has no training samples: give one of {known.tolist()}.")
    return _rejection(errors, place, tails, list(tails.values()))


def _rejection(errors: Tensor, place: Tensor, tails: dict[int | None, Tail], of_place: list[Tail]) -> Rejection:
    values = torch.from_numpy(_checked("errors", errors)).clamp_min(_LEAST)
    shape, scale = (torch.tensor([getattr(t, what) for t in of_place]).double()[place] for what in ("shape", "scale"))
    unknownness = shape * (values / scale).log() - math.log(math.log(2))
    return Rejection(unknownness > 0, unknownness, tails)


def _classes_of(errors: Tensor, classes: Tensor) -> Tensor:
    if len(classes) != len(errors):
        raise InputError(f"there are {len(errors)} training errors, but {len(classes)} classes: give one for each.")
    return classes.unique()


def _checked(name: str, errors: Tensor) -> np.ndarray:
    values = errors.detach().cpu().double().numpy()
    if values.ndim != 1:
        raise InputError(f"{name} have shape {values.shape}: give one number for each sample.")
    if not np.isfinite(values).all() or (values < 0).any():
        raise InputError(f"{name} hold a negative number, NaN or infinity, but are distances.")
    return values
