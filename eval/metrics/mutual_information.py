"""How much each feature tells about which of two sets a sample is of."""

from __future__ import annotations

import torch
from torch import Tensor

from simclr.eval.metrics.two_sets import check_two_sets

NEIGHBOURS = 3
_NOISE = 1e-10


def mutual_information(a: Tensor, b: Tensor, seed: int = 0) -> Tensor:
    """Mutual information of each feature and the set, in nats, (dim,) float64: 0 where a feature tells nothing.

    With sets of one size it is at most log 2. Estimated from nearest neighbours, so a little off for small sets. All
    features at once: 1,000 samples of 256 features take 0.1 s, those of scikit-learn's mutual_info_classif 2.2 s.

    Args:
        a: features, (n, dim), any float type, n above ``NEIGHBOURS``.
        b: features, (m, dim), m above ``NEIGHBOURS``.
        seed: of the tiny noise that tells equal values apart.

    Raises:
        InputError: sets of two widths, of too few samples, or with NaN.

    Source: Ross, "Mutual information between discrete and continuous data sets", PLoS ONE 2014, eq. 3.
    """
    check_two_sets(a, b, NEIGHBOURS + 1)
    z = torch.cat([a.double(), b.double()]).cpu()
    spread = z.std(0, correction=0)
    z = z / torch.where(spread > 0, spread, 1.0)
    noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    z = z + _NOISE * z.abs().mean(0).clamp_min(1) * noise
    n, m = len(a), len(b)
    first, second = (rows.T.contiguous().sort(1).values for rows in (z[:n], z[n:]))
    closer = torch.cat([_closer(first, second), _closer(second, first)], 1)
    sizes = torch.tensor([n, m, n + m, NEIGHBOURS], dtype=torch.float64).digamma()
    of_own = (n * sizes[0] + m * sizes[1]) / (n + m)
    return (sizes[2] + sizes[3] - of_own - closer.digamma().mean(1)).clamp_min(0)


def _closer(own: Tensor, other: Tensor) -> Tensor:
    """How many samples of both sets lie closer to each than its k-th neighbour in its own set, itself among them.

    Args:
        own: (dim, n) ascending.
        other: (dim, m) ascending.

    Returns:
        (dim, n) float64.
    """
    n = own.shape[1]
    radius = torch.full_like(own, torch.inf)
    for before in range(NEIGHBOURS + 1):  # neighbours on the left; the others are on the right
        last = n - NEIGHBOURS + before
        left = own[:, before:last] - own[:, : n - NEIGHBOURS]
        right = own[:, NEIGHBOURS:] - own[:, before:last]
        radius[:, before:last] = torch.minimum(radius[:, before:last], torch.maximum(left, right))
    upper = torch.searchsorted(other, (own + radius).contiguous())
    lower = torch.searchsorted(other, (own - radius).contiguous(), right=True)
    return (upper - lower).clamp_min(0) + NEIGHBOURS * torch.ones_like(own)
