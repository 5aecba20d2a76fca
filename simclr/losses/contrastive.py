"""Contrastive loss of pairs: what is alike comes together, what is not keeps a distance."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from simclr.augment.checks import number
from simclr.losses.batch import Argument, everywhere, part_lengths, whole_batch
from simclr.losses.distances import distances, distances_of_pairs
from simclr.losses.term import Term


def contrastive(embeddings: Tensor, labels: Tensor, *, margin: float = 1.0, check: bool = True) -> Tensor:
    """Mean over all pairs of the global batch of d², of one class, and max(0, margin − d)², of two classes.

    At d = 0 the gradient of a pair of two classes is 0.

    Args:
        embeddings: (batch, dim), any float type; computed in float32 at least.
        labels: (batch,) integers ≥ 0.
        margin: the distance that classes are to keep.
        check: as of `simclr.losses.batch.whole_batch`.

    Raises:
        ValueError: as `simclr.losses.batch.whole_batch`.

    Source: Hadsell, Chopra and LeCun, "Dimensionality reduction by learning an invariant mapping", CVPR 2006, eq. 4,
        without its factor of ½.
    """
    x, y = whole_batch(embeddings, labels, [_margin(margin)], check=check)
    pairs = _of_distances(distances(x, x), y[:, None] == y, margin)
    return pairs.sum() / max(1, len(x) * (len(x) - 1))  # a row and itself: 0


def contrastive_pairs(a: Tensor, b: Tensor, similar: Tensor, *, margin: float = 1.0, check: bool = True) -> Tensor:
    """`contrastive` of given pairs: mean of d² of similar ones and max(0, margin − d)² of others, over all processes.

    Args:
        a, b: the two sides, (pairs, dim) each, any float type.
        similar: (pairs,) bool or integers, 1 where a pair is alike.
        margin: the distance that others are to keep.
        check: as of `simclr.losses.batch.whole_batch`.

    Raises:
        ValueError: as `simclr.losses.batch.part_lengths`; sides of two shapes.
    """
    if a.shape != b.shape:
        raise ValueError(f"a pair has two sides of one shape, not {tuple(a.shape)} and {tuple(b.shape)}")
    lengths = part_lengths(torch.cat([a, b], 1), similar, [_margin(margin)], check=check)
    working = torch.promote_types(a.dtype, torch.float32)
    d = distances_of_pairs(a.to(working), b.to(working))
    return everywhere(_of_distances(d, similar.bool(), margin), lengths).mean()


def _of_distances(d: Tensor, similar: Tensor, margin: float) -> Tensor:
    return torch.where(similar, d, (margin - d).clamp_min(0)).square()


def _margin(margin: float) -> Argument:
    return Argument("margin", margin, partial(number, low=0.0))


CONTRASTIVE = Term("contrastive", contrastive)
