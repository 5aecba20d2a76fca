"""Fréchet distance of two sets of features: that of the Gaussians with their means and covariances."""

from __future__ import annotations

import torch
from torch import Tensor

from simclr.eval.metrics.two_sets import check_two_sets

_ROUNDING = 1e-13
"""Of the difference of the traces, relative to them."""


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """‖μ_a − μ_b‖² + tr(C_a + C_b − 2 (C_a C_b)^½), the squared 2-Wasserstein distance of two Gaussians.

    With centred samples A and B, tr (C_a C_b)^½ is the sum of the singular values of A Bᵀ / √((n−1)(m−1)): no matrix
    root is taken, and fewer samples than features do no harm to its precision.

    Args:
        a: features, (n, dim), any float type; computed in float64.
        b: features, (m, dim).

    Raises:
        InputError: sets of two widths, of fewer than two samples, or with NaN.

    Source: Dowson and Landau, "The Fréchet distance between multivariate normal distributions", 1982; Heusel et al.,
        NeurIPS 2017 (FID).
    """
    check_two_sets(a, b)
    means, roots = [], []
    for rows in (a, b):
        x = rows.double().cpu()
        means.append(x.mean(0))
        roots.append(torch.linalg.qr(x - means[-1])[1] / (len(x) - 1) ** 0.5)
    apart = (means[0] - means[1]).square().sum()
    traces = sum(float(root.square().sum()) for root in roots)
    common = torch.linalg.svdvals(roots[0] @ roots[1].T).sum()
    found = float(apart) + traces - 2 * float(common)
    return found if found > _ROUNDING * traces else 0.0
