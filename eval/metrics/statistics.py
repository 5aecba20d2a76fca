"""Are two paired lists of numbers different? Tests and intervals for evaluations on the same splits."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest
from scipy.stats import t as student_t

ENUMERATED = 16
"""Up to so many pairs, every assignment of signs is counted."""
RESAMPLES = 9_999

FEWEST_FOR_INTERVAL = 3
"""Two values alone would give an interval of 13 standard errors to each side, which says nothing."""


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p value of the hypothesis that paired differences are symmetric around 0.

    The share of the 2ⁿ assignments of signs whose sum is at least as far from 0 as the one that was seen. It cannot be
    below 2/2ⁿ. With more than ``ENUMERATED`` pairs, ``RESAMPLES`` random assignments and the one that was seen.

    Args:
        differences: one for each pair, at least one.

    Source: Fisher, "The design of experiments", 1935, section 21.
    """
    values = np.asarray(differences, dtype=np.float64)
    n = len(values)
    if n <= ENUMERATED:
        bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
    else:
        bits = np.random.default_rng(0).integers(0, 2, (RESAMPLES, n))
        bits = np.concatenate([bits, np.zeros((1, n), dtype=bits.dtype)])
    sums = np.abs((1 - 2 * bits) @ values)
    # Sums that are equal but for rounding are as far.
    return float((sums >= abs(values.sum()) - 1e-12 * np.abs(values).sum()).mean())


def sign_flip_floor(n: int) -> float:
    """The smallest p value that :func:`sign_flip_p` can give for n pairs: all differences of one sign."""
    return 2 / 2**n if n <= ENUMERATED else 1 / (RESAMPLES + 1)


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Exact two-sided p value of the hypothesis that two classifiers are right equally often.

    Args:
        only_first: samples that only the first classifies correctly.
        only_second: samples that only the second does.

    Source: McNemar, "Note on the sampling error of the difference between correlated proportions", 1947, in its exact
        (binomial) form.
    """
    either = only_first + only_second
    return float(binomtest(only_first, either).pvalue) if either else 1.0


def bootstrap_interval(only_first: int, only_second: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of (accuracy of the second - accuracy of the first), bootstrapped over the test samples.

    A resample of n samples matters only by how many of each kind it holds, so these are drawn at once.

    Args:
        only_first: samples that only the first classifies correctly.
        only_second: samples that only the second does.
        n: all test samples.
        level: coverage.

    Source: Efron & Tibshirani, "An introduction to the bootstrap", 1993, section 13.3.
    """
    shares = np.array([only_first, only_second, n - only_first - only_second]) / n
    drawn = np.random.default_rng(0).multinomial(n, shares, RESAMPLES)
    tail = (1 - level) / 2
    low, high = np.quantile((drawn[:, 1] - drawn[:, 0]) / n, [tail, 1 - tail])
    return float(low), float(high)


class MeanSd(NamedTuple):
    """Mean and standard deviation (n - 1 in the denominator; None for a single value)."""

    mean: float
    sd: float | None


def mean_sd(values: Sequence[float]) -> MeanSd:
    """Of one value or more."""
    return MeanSd(fmean(values), stdev(values) if len(values) > 1 else None)


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """Student t interval of the mean of independent values; None for fewer than ``FEWEST_FOR_INTERVAL``.

    Source: Student, "The probable error of a mean", 1908.
    """
    n = len(values)
    if n < FEWEST_FOR_INTERVAL:
        return None
    half = float(student_t.ppf(0.5 + level / 2, n - 1)) * stdev(values) / n**0.5
    return fmean(values) - half, fmean(values) + half
