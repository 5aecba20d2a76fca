"""A square left out, at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from simclr.augment import checks
from simclr.augment.base import Drawn, IntensityOperation, as_in_memory


class RandomCutout(IntensityOperation):
    """A square at a uniform place set to 0 in all bands, with probability ``p``; the centre pixel is spared.

    The centre pixel, at (H // 2, W // 2), is what a patch of a scene stands for.

    Args:
        scale: range of the square's share of the image's area, uniform; the side is rounded to whole pixels, at least
            one.
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if ``scale`` is not an increasing pair in (0, 1] or ``p`` no probability.

    Source: DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", 2017.
    """

    def __init__(self, scale: Sequence[float] = (0.02, 0.3), p: float = 0.5, keepdim: bool = False) -> None:
        super().__init__(p, keepdim, scale=checks.interval("scale", scale, 0.0, 1.0, open_low=True))

    def draws(self, shape: Sequence[int]) -> int:
        return 3

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        (low, high), height, width = self.flags["scale"], shape[-2], shape[-1]
        u = u.double()
        side = ((low + (high - low) * u[:, 0]) * (height * width)).sqrt().round()
        side = side.clamp(min=1, max=min(height, width))
        top = (u[:, 1] * (height - side + 1)).floor()
        left = (u[:, 2] * (width - side + 1)).floor()
        return {"top": top, "left": left, "side": side}

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        return x * ~_squares(parameters, x)

    def apply_drawn(self, x: Tensor, drawn: Drawn, **given: Tensor) -> Tensor:
        left_out = _squares(drawn.parameters, x) & drawn.applied.view(-1, 1, 1, 1)
        memory = as_in_memory(x)
        if x.device.type != "cpu" or memory is x:
            # A factor of 1 costs less than a choice of rows.
            return x.mul_(~left_out)
        # With the bands of a pixel side by side, a CPU writes to those pixels alone.
        memory.view(-1, x.shape[1]).index_fill_(0, left_out.flatten().nonzero()[:, 0], 0.0)
        return x


def _squares(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
    """(B, 1, H, W) bool: the pixels to be left out."""
    top, left, side = (parameters[name].view(-1, 1) for name in ("top", "left", "side"))
    row, column = (torch.arange(n, device=top.device) for n in x.shape[-2:])
    rows = (row >= top) & (row < top + side)
    columns = (column >= left) & (column < left + side)
    spared = (row == x.shape[-2] // 2).unsqueeze(1) & (column == x.shape[-1] // 2)
    return (rows.unsqueeze(2) & columns.unsqueeze(1) & ~spared).unsqueeze(1)
