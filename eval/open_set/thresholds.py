"""Thresholds of unknownness: from held-out training samples, or from test samples without their labels."""

from __future__ import annotations

import numpy as np
from scipy.stats import gaussian_kde, weibull_min
from torch import Tensor

from simclr.augment.checks import shown
from simclr.errors import InputError
from simclr.eval.probes.prediction import Selected

REJECTED = 0.05
"""Share of known samples that a threshold is meant to reject."""
TAIL = 0.5
THRESHOLD = "quantile"
HELD_OUT = (THRESHOLD, "weibull")
"""Kinds that are fitted on held-out training samples."""
GAP = "gap"
"""The kind that is fitted on the test samples, whose labels it does not see."""

_DEPTH = 0.5
_POINTS = 256
_SAMPLES = 5000
_WIDTH = 0.25
_LEAST = 1e-12


def threshold(held_out: Tensor, kind: str, rejected: float = REJECTED) -> tuple[float, Selected]:
    """The unknownness above which a sample is called unknown.

    - ``quantile``: the 1 - ``rejected`` quantile of the scores (linear interpolation).
    - ``weibull``: what the scores' largest half (``TAIL``) exceeds the rest by follows a Weibull distribution of two
      parameters, fitted by maximum likelihood (``scipy.stats.weibull_min``, location fixed); the threshold is where
      its tail, times the half, leaves ``rejected``. It looks beyond the largest score where the quantile cannot. With
      fewer than 5 different values in the tail there is nothing to fit, and the quantile takes its place.

    Args:
        held_out: unknownness of known samples, (n,), none of which the scoring model has seen; infinite for those that
            could not be left out.
        kind: one of ``HELD_OUT``.
        rejected: share of known samples to be rejected, in (0, ``TAIL``).

    Returns:
        The threshold, which may be infinite, and how it was found, fit for JSON.

    Raises:
        InputError: unknown kind, or no scores.

    Source: Coles, "An introduction to statistical modeling of extreme values", 2001, chapter 4 (exceedances);
        Scheirer et al., "Meta-recognition", TPAMI 2011 (Weibull tails of recognition scores).
    """
    if kind not in HELD_OUT:
        raise InputError(f"there is no threshold {shown(kind)}: choose from {', '.join(HELD_OUT)}.")
    values = np.sort(held_out.double().numpy())
    if len(values) == 0:
        raise InputError("a threshold needs scores of training samples, but there are none.")
    # Between a number and infinity there is nothing to interpolate.
    if np.isfinite(values).all():
        quantile = float(np.quantile(values, 1 - rejected))
    else:
        quantile = float(np.quantile(values, 1 - rejected, method="higher"))
    found: Selected = {"threshold": kind, "rejected": rejected, "samples": len(values)}
    if kind == THRESHOLD or quantile == np.inf:
        return quantile, found
    values = values[np.isfinite(values)]
    tail = values[len(values) - max(1, round(TAIL * len(values))) :]
    below = values[len(values) - len(tail) - 1] if len(tail) < len(values) else values[0]
    excess = tail - below
    excess = excess[excess > 0]
    if len(np.unique(excess)) < 5:
        return quantile, found | {"weibull": None, "why": "fewer than 5 different scores in the tail: the quantile"}
    # In units of its mean, which keeps the solver where its start lies.
    shape, _, scale = weibull_min.fit(excess / excess.mean(), floc=0)
    cut = below + excess.mean() * weibull_min.isf(rejected * len(values) / len(excess), shape, scale=scale)
    return float(cut), found | {"shape": float(shape), "scale": float(scale * excess.mean()), "above": float(below)}


def gap_threshold(test: Tensor, rejected: float = REJECTED) -> tuple[float, Selected]:
    """A threshold from the scores of all test samples together, known and unknown ones, without their labels.

    Where unknown samples score no lower than known ones, the 1 - ``rejected`` quantile of all rejects no more than that
    share of the known ones, wherever these lie. Where the upper half of the scores has a gap that leaves two heaps, the
    threshold lies in the deepest gap instead: what is beyond is taken for unknown. A known class that lies alone beyond
    a gap is rejected with them: nothing in the scores tells the two apart.

    A gap is a minimum of the density (of the logarithms where no score is negative; a Gaussian kernel of a quarter of
    the deviation) that is less than half as high as the lower of the heaps on its sides.

    Args:
        test: unknownness, (m,), finite.
        rejected: share of known samples that may be rejected.

    Returns:
        The threshold, and how it was found, fit for JSON.

    Raises:
        InputError: no scores.
    """
    if len(test) == 0:
        raise InputError("a threshold needs scores of test samples, but there are none.")
    values = test.double().numpy()
    quantile = float(np.quantile(values, 1 - rejected))
    found: Selected = {"threshold": GAP, "rejected": rejected, "samples": len(values), "gap": None}
    positive = bool((values >= 0).all())
    x = np.sort(np.log(np.maximum(values, _LEAST)) if positive else values)
    low, high = np.quantile(x, [0.005, 0.995])
    if not low < high:
        return quantile, found
    points = np.linspace(low, high, _POINTS)
    density = gaussian_kde(x[:: max(1, len(x) // _SAMPLES)], _WIDTH)(points)
    left, right = np.maximum.accumulate(density), np.maximum.accumulate(density[::-1])[::-1]
    inside = (points >= np.quantile(x, 0.5)) & (points <= np.quantile(x, 1 - rejected))
    # A point below both heaps by so much is in a gap, and the lowest one is a minimum.
    depth = np.where(inside, density / np.minimum(left, right), 1.0)
    deepest = int(depth.argmin())
    if depth[deepest] >= _DEPTH:
        return quantile, found
    cut = float(np.exp(points[deepest]) if positive else points[deepest])
    return cut, found | {"gap": float(depth[deepest])}
