"""An encoder that can draw its input again, with skip connections: the generator of MTGAN."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SkipGenerator(nn.Module):
    """An encoder–decoder whose two tasks both see every stage: (B, in_chans, H, W) → (B, ``feature_dim``).

    The first stage maps each cell by itself, each further one halves the sides. h is the centre and the mean of every
    stage, so a linear classifier of it is a sum of one of each stage. `draw` goes up again from the last stage, and
    takes in the stage of each size on the way, but for the first: of that, the input could be copied, and nothing
    below it would have to learn.

    Args:
        in_chans: bands, or components of a whitened scene.
        width: channels of every stage; ``feature_dim`` is twice as much for each.
        stages: how many there are.
    """

    any_size = True

    def __init__(self, in_chans: int, width: int = 64, stages: int = 3) -> None:
        super().__init__()
        self.feature_dim = 2 * width * stages
        first = _stage(in_chans, width, kernel=1)
        self.down = nn.ModuleList([first, *(_stage(width, width, stride=2) for _ in range(stages - 1))])
        self.up = nn.ModuleList(
            _stage(width if size == 0 else 2 * width, width) for size in reversed(range(stages - 1))
        )
        self.last = nn.Conv2d(width, in_chans, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Representation h, (B, ``feature_dim``)."""
        maps = self._stages(x)
        centres = [m[..., m.shape[-2] // 2, m.shape[-1] // 2] for m in maps]
        return torch.cat([*centres, *(m.mean((2, 3)) for m in maps)], 1)

    def draw(self, x: Tensor) -> Tensor:
        """The input drawn again, (B, in_chans, H, W)."""
        maps = self._stages(x)
        y = maps[-1]
        for size, stage in zip(reversed(range(len(maps) - 1)), self.up):
            y = F.interpolate(y, maps[size].shape[-2:], mode="nearest-exact")
            y = stage(y if size == 0 else torch.cat([y, maps[size]], 1))
        pictures: Tensor = self.last(y)
        return pictures

    def _stages(self, x: Tensor) -> list[Tensor]:
        maps = []
        for stage in self.down:
            x = stage(x)
            maps.append(x)
        return maps


def _stage(channels: int, width: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU())
