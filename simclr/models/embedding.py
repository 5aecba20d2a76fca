"""An encoder with an embedding layer behind it: what metric objectives train, and what its encoder file then gives."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr.errors import InputError
from simclr.models.memory import check_memory

_MOST = 10**7


class Embedded(nn.Module):
    """x (B, C, H, W) → h of the encoder → one linear layer → embeddings (B, dim).

    Args:
        encoder: with ``feature_dim``.
        dim: width of the embedding.
        normalize: divide embeddings by their length.

    Raises:
        InputError: a ``dim`` that makes no sense, or weights beyond this machine's memory.
    """

    def __init__(self, encoder: nn.Module, dim: int, normalize: bool = True) -> None:
        super().__init__()
        if isinstance(dim, bool) or not isinstance(dim, int) or not 1 <= dim <= _MOST:
            raise InputError(f"embedding.dim is {dim!r:.40}, but must be an integer between 1 and {_MOST:,}")
        if not isinstance(normalize, bool):
            raise InputError(f"embedding.normalize is {normalize!r:.40}, but must be true or false")
        self.feature_dim, self.normalize = dim, normalize
        width: int = encoder.feature_dim  # type: ignore[assignment]
        check_memory("the embedding layer", 4 * width * dim, "set a smaller embedding.dim")
        self.encoder = encoder
        self.embedding = nn.Linear(width, dim)

    def forward(self, x: Tensor) -> Tensor:
        e: Tensor = self.embedding(self.encoder(x))
        return F.normalize(e.to(torch.promote_types(e.dtype, torch.float32)), dim=1) if self.normalize else e
