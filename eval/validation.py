"""A validation part of the training samples: where penalties, learning rates and temperatures are chosen."""

from __future__ import annotations

import torch
from torch import Tensor

from augment.addressed import permutation

# Takes the place of the epoch in the order's address, as eval.splits does; no other file uses it.
STREAM = 2**23 + 4
SHARE = 0.2


def validation_part(y: Tensor, share: float = SHARE, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Positions to fit on and to choose on: the given share of every class at random, a class of one sample only fits.

    Args:
        y: classes of the training samples, (n,) int64.
        share: of each class that is held out, rounded, at most all but one sample.
        seed: of the random order.

    Returns:
        Positions to fit on and held-out positions, both ascending int64 on the CPU; together each of n once.
    """
    order = permutation(seed, STREAM, len(y), "cpu")
    y = y.cpu()
    held_out = torch.zeros(len(y), dtype=torch.bool)
    for c in y.unique():
        members = order[y[order] == c]
        held_out[members[: min(round(share * len(members)), len(members) - 1)]] = True
    return torch.nonzero(~held_out).flatten(), torch.nonzero(held_out).flatten()
