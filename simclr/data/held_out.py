"""Samples that a run does not learn from, so that they can say without labels whether it learns anything of use."""

from __future__ import annotations

import torch
from torch import Tensor

from simclr.augment.addressed import permutation
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source

# In place of an epoch in the address of their random numbers, beyond any that a run reaches and apart from those of
# `simclr.eval.streams`.
HELD_OUT_STREAM = 2**23 + 2**21
QUERY_STREAM, GALLERY_STREAM, SUPPORT_STREAM = HELD_OUT_STREAM + 1, HELD_OUT_STREAM + 2, HELD_OUT_STREAM + 3
"""Of what a verdict draws; supports take one stream a draw, counted from the last."""
_BLOCK = 12


def held_out_ids(source: Source, share: float, seed: int) -> Tensor:
    """About ``share`` of the samples, (n,) int64 ascending; of a scene whole blocks of 12x12 pixels, or a quarter
    of its shorter side.

    A pixel whose neighbours are all learned from is not held out in earnest. Pure function of its arguments.

    Args:
        source: all samples.
        share: 0 to 0.5; above 0, at least one sample or block is held out.
        seed: of the run.
    """
    if share <= 0:
        return torch.empty(0, dtype=torch.int64)
    if not isinstance(source, SceneSource):
        taken = permutation(seed, HELD_OUT_STREAM, len(source))[: max(1, round(share * len(source)))]
        return taken.sort().values
    row, column = source.positions(torch.arange(len(source))).unbind(1)
    side = max(1, min(_BLOCK, min(source.height, source.width) // 4))
    across = -(-source.width // side)
    block = row // side * across + column // side
    blocks = int(block.max()) + 1
    taken = permutation(seed, HELD_OUT_STREAM, blocks)[: max(1, round(share * blocks))]
    return torch.isin(block, taken).nonzero()[:, 0]
