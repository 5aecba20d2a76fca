"""Samples sorted into kinds, without a label."""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDS = 25


def clusters(x: Tensor, fitted_on: Tensor, count: int) -> Tensor:
    """Nearest of ``count`` centres for each row, by Lloyd's algorithm from centres that lie far from each other.

    Source: Lloyd, "Least squares quantization in PCM", 1982; starts as Gonzalez, "Clustering to minimize the maximum
    intercluster distance", 1985, but among the closer nine tenths of the samples, so that none starts at an outlier.

    Args:
        x: (n, dim) float.
        fitted_on: (m, dim) float, what the centres are means of; ``count`` rows or more.
        count: of the centres.

    Returns:
        (n,) int64, 0 to ``count`` - 1. No random number is drawn.
    """
    mean = fitted_on.mean(0, keepdim=True)
    close = fitted_on[torch.cdist(fitted_on, mean)[:, 0].argsort()[: max(count, len(fitted_on) * 9 // 10)]]
    centres = close[:1]
    while len(centres) < count:
        centres = torch.cat([centres, close[torch.cdist(close, centres).amin(1).argmax()][None]])
    for _ in range(ROUNDS):
        nearest = torch.cdist(fitted_on, centres).argmin(1)
        centres = torch.stack(
            [fitted_on[nearest == k].mean(0) if bool((nearest == k).any()) else centres[k] for k in range(count)]
        )
    return torch.cdist(x, centres).argmin(1)
