"""A compact encoder for patches of a many-band scene."""

from torch import Tensor, nn


class SpectralSpatial(nn.Module):
    """placeholder until research"""

    def __init__(self, in_chans: int, width: int = 64, depth: int = 2) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(in_chans, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.blocks = nn.Sequential(
            *[nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()) for _ in range(depth)]
        )
        self.feature_dim = width

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.stem(x)).mean((2, 3))
