"""What is pretrained: the base encoder f(·) and the projection head g(·), one behind the other."""

import torch
from torch import Tensor, nn

from simclr.models.head import ProjectionHead


class SimCLR(nn.Module):
    """x (N, C, H, W), or several x of different sizes → representation h (N, feature_dim), projection z (N, out_dim).

    The rows of several x follow each other, and the head takes them together.
    """

    def __init__(self, encoder: nn.Module, head: ProjectionHead) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, *x: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.cat([self.encoder(size) for size in x])
        return h, self.head(h)
