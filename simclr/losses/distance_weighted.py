"""Negatives at all distances alike: drawn by the inverse of how often a distance occurs on a sphere."""

from __future__ import annotations

import torch
from torch import Tensor

from simclr.losses.distances import exact_dtype

NEAREST, FARTHEST = 0.5, 1.4
"""Distances below count as this one, for their weight has no bound; those beyond are drawn only if no other is left."""


def negative_weights(d: Tensor, labels: Tensor, dim: int) -> Tensor:
    """Probabilities by which the negatives of each row are drawn, (B, B); rows sum to 1, or to 0 without a negative.

    The weight of a distance d is 1/q(d), with q(d) ∝ d^(dim−2) · (1 − d²/4)^((dim−3)/2), the density of distances of
    points on a sphere. Weights span hundreds of powers of ten: each row is scaled by its own largest.

    Args:
        d: distances of rows of length 1, (B, B).
        labels: (B,) int64.
        dim: of the embeddings.

    Source: Wu et al., "Sampling matters in deep embedding learning", ICCV 2017, section 4; the two bounds are those of
        the authors' code.
    """
    negative = labels[:, None] != labels
    near = negative & (d < FARTHEST)
    bounded = d.to(exact_dtype(d)).clamp(NEAREST, FARTHEST)
    log_weights = (2.0 - dim) * bounded.log() - (dim - 3.0) / 2 * (1 - bounded.square() / 4).log()
    weights = log_weights.masked_fill(~near, -torch.inf).softmax(1)
    alike = negative.to(weights.dtype) / negative.sum(1, keepdim=True).clamp_min(1)
    return torch.where(near.any(1, keepdim=True), weights, alike)


def draw_negatives(weights: Tensor, anchors: Tensor, uniform: Tensor) -> Tensor:
    """One negative for each anchor, (n,) int64.

    Args:
        weights: probabilities of each row, (B, B).
        anchors: rows, (n,) int64 ascending, each with some negative.
        uniform: numbers in [0, 1), (n,).
    """
    counts = anchors.bincount(minlength=len(weights))
    column = torch.arange(len(anchors), device=anchors.device) - (counts.cumsum(0) - counts)[anchors]
    reached = weights.cumsum(1)
    targets = reached.new_zeros(len(weights), int(counts.max()))
    targets[anchors, column] = uniform.to(weights.dtype) * reached[anchors, -1]
    # Where the sum passes the number for the first time: never at a weight of 0.
    return torch.searchsorted(reached, targets, right=True)[anchors, column]
