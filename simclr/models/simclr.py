"""What is pretrained: the base encoder f(·) and the projection head g(·), one behind the other."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from simclr.models.head import ProjectionHead


class SimCLR(nn.Module):
    """x (N, C, H, W), or several x of different sizes → representation h (N, feature_dim), projection z (N, out_dim).

    The rows of several x follow each other, and the head takes them together. It takes h, unless the encoder has a
    method ``with_projected`` (x → h, and what the head takes, ``projected_dim`` wide).
    """

    def __init__(self, encoder: nn.Module, head: ProjectionHead) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, *x: Tensor) -> tuple[Tensor, Tensor]:
        if hasattr(self.encoder, "with_projected"):
            both = [cast(Any, self.encoder).with_projected(size) for size in x]
            h, projected = (torch.cat(parts) for parts in zip(*both))
            return h, self.head(projected)
        h = torch.cat([self.encoder(size) for size in x])
        return h, self.head(h)


class Projected(nn.Module):
    """What the projection head takes of an encoder: h, or what its ``with_projected`` gives beside h."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self.encoder, "with_projected"):
            projected: Tensor = cast(Any, self.encoder).with_projected(x)[1]
            return projected
        h: Tensor = self.encoder(x)
        return h


def projected_dim(encoder: nn.Module) -> int:
    """Width of what the projection head takes."""
    dim: int = getattr(encoder, "projected_dim", encoder.feature_dim)  # type: ignore[arg-type]
    return dim
