"""Whether two sets of features are of one distribution: MMD and its p value, by permutations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from simclr.augment.addressed import Address
from simclr.errors import InputError
from simclr.eval.streams import Stream
from simclr.losses.mmd import bandwidth, gaussian_kernels, unbiased

PERMUTATIONS = 999
_AT_ONCE = 1 << 24


class TwoSampleTest(NamedTuple):
    """The squared MMD, without a bias, and the p value of the hypothesis that both sets are of one distribution.

    Attributes:
        mmd: squared; often below 0 where there is no difference.
        p: at least 1 / (permutations + 1).
        bandwidth: σ of the Gaussian kernel, the median distance of all samples.
    """

    mmd: float
    p: float
    bandwidth: float


def check_two_sets(a: Tensor, b: Tensor, least: int = 2) -> None:
    """Raise an InputError unless both are matrices of one width, without NaN, with ``least`` rows or more."""
    for name, rows in (("first", a), ("second", b)):
        if rows.ndim != 2 or len(rows) < least:
            raise InputError(
                f"the {name} set has shape {tuple(rows.shape)}, but must have {least} rows or more, of features."
            )
        if not bool(rows.isfinite().all()):
            raise InputError(f"the {name} set holds NaN or infinity: leave such samples out.")
    if a.shape[1] != b.shape[1]:
        raise InputError(f"the sets have {a.shape[1]} and {b.shape[1]} features: take both from one encoder.")


def two_sample_test(
    a: Tensor, b: Tensor, *, factors: Sequence[float] = (1.0,), permutations: int = PERMUTATIONS, seed: int = 0
) -> TwoSampleTest:
    """MMD of two sets, and how often as much comes out if their samples are mixed.

    Args:
        a: features, (n, dim), any float type.
        b: features, (m, dim).
        factors: widths of Gaussian kernels over the median distance; the mean of several is MK-MMD.
        permutations: how many; p is at least 1 / (permutations + 1).
        seed: of the permutations.

    Raises:
        InputError: sets of two widths, of fewer than two samples, or with NaN.

    Source: Gretton et al., "A kernel two-sample test", JMLR 2012; the one that was seen counts among the permutations,
        as of Phipson and Smyth, "Permutation p-values should never be zero", 2010.
    """
    check_two_sets(a, b)
    z = torch.cat([a.double(), b.double()]).cpu()
    kernel = torch.stack(gaussian_kernels(z, factors)).mean(0)
    seen = unbiased(kernel, len(a)).item()
    kernel = kernel - torch.diag(kernel.diagonal())
    at_least = 0
    total, n, m = len(z), len(a), len(b)
    for first in range(0, permutations, step := max(1, _AT_ONCE // total)):
        draws = min(step, permutations - first)
        ids = torch.arange(first * total, (first + draws) * total)
        words = Address(seed, Stream.TWO_SETS, ids, torch.zeros_like(ids)).words({"permutation": 2})
        order = ((words[:, 0] << 30) | (words[:, 1] >> 2)).view(draws, total).argsort(dim=1, stable=True)
        of_first = torch.zeros(draws, total, dtype=torch.float64).scatter_(1, order[:, :n], 1.0)
        to_first = of_first @ kernel
        within_first, across = (to_first * of_first).sum(1), (to_first * (1 - of_first)).sum(1)
        within_others = kernel.sum() - within_first - 2 * across
        drawn = within_first / (n * (n - 1)) + within_others / (m * (m - 1)) - 2 * across / (n * m)
        # Equal partitions give equal values but for rounding.
        at_least += int((drawn >= seen - 1e-12).sum())
    return TwoSampleTest(seen, (1 + at_least) / (1 + permutations), bandwidth(z))
