"""Encoder and head as one module, so that they are distributed as one."""

from torch import Tensor, nn

from simclr.head import ProjectionHead


class SimCLR(nn.Module):
    """x (N, C, H, W) → representation h (N, feature_dim), projection z (N, out_dim)."""

    def __init__(self, encoder: nn.Module, head: ProjectionHead) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.encoder(x)
        return h, self.head(h)
