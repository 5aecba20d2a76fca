"""From an embedding back to a picture: the decoder of objectives that reconstruct what the encoder took."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

_SMALL = 4
"""A map whose sides are no longer than this is made of the embedding at once."""


class Decoder(nn.Module):
    """Embeddings (B, dim) → pictures (B, C, H, W): a layer to a map of a few cells, which doubles up to the full size.

    No normalisation that joins samples, so that each picture depends on its own embedding alone.

    Args:
        feature_dim: of the embeddings.
        shape: (C, H, W) of the pictures.
        width: channels of the maps.
    """

    def __init__(self, feature_dim: int, shape: Sequence[int], width: int = 64) -> None:
        super().__init__()
        channels, *side = shape
        sizes = halved(side[0], side[1])
        self.sizes = sizes[::-1]
        cells = self.sizes[0][0] * self.sizes[0][1]
        self.first = nn.Linear(feature_dim, width * cells)
        self.stages = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in self.sizes[1:])
        self.last = nn.Conv2d(width, channels, 1)

    def forward(self, embeddings: Tensor) -> Tensor:
        """(B, dim) → (B, C, H, W)."""
        height, width = self.sizes[0]
        x = F.relu(self.first(embeddings)).unflatten(1, (-1, height, width))
        for stage, size in zip(self.stages, self.sizes[1:]):
            x = F.relu(stage(F.interpolate(x, size, mode="nearest-exact")))
        picture: Tensor = self.last(x)
        return picture


def halved(height: int, width: int) -> list[tuple[int, int]]:
    """Sides of a map, and of each that is half of the one before, rounded up, until none is above four."""
    sizes = [(height, width)]
    while max(sizes[-1]) > _SMALL:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes
