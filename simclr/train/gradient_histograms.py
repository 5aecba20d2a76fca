"""How the edges of an image run, cell by cell: a description that owes nothing to any network."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

DIRECTIONS = 8
SIDE = 32


def gradient_histograms(x: Tensor, cells: int) -> Tensor:
    """Histograms of gradient directions over a grid of cells, each weighted by the gradients' lengths.

    A gradient counts for the two directions next to its own, by how near they are. The whole is divided by its length
    and each entry replaced by its square root, so that strong edges do not drown faint ones.

    Source: Dalal, Triggs, "Histograms of oriented gradients for human detection", CVPR 2005, with signed gradients and
    cells in place of blocks; the square root as Arandjelović, Zisserman, CVPR 2012.

    Args:
        x: (B, H, W) float, grey; larger than ``SIDE`` pixels, it is averaged down to that.
        cells: a side.

    Returns:
        (B, ``DIRECTIONS``·cells²) float, each row of length 1; zeros for an image without edges.
    """
    x = F.adaptive_avg_pool2d(x, (min(SIDE, x.shape[-2]), min(SIDE, x.shape[-1])))
    wide = F.pad(x, (1, 1, 1, 1), mode="replicate")
    across = wide[:, 1:-1, 2:] - wide[:, 1:-1, :-2]
    down = wide[:, 2:, 1:-1] - wide[:, :-2, 1:-1]
    turns = torch.atan2(down, across) / (2 * math.pi) * DIRECTIONS
    first = turns.floor()
    length, beyond = torch.hypot(across, down), turns - first
    weights = torch.zeros(len(x), DIRECTIONS, *x.shape[1:], dtype=x.dtype)
    for step, share in ((0, 1 - beyond), (1, beyond)):
        weights.scatter_add_(1, ((first + step) % DIRECTIONS).long()[:, None], (length * share)[:, None])
    return F.normalize(F.adaptive_avg_pool2d(weights, cells).flatten(1), p=1.0, dim=1).sqrt()
