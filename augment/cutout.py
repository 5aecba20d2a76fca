"""A square left out, at random."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from augment import checks
from augment.base import AffineOperation


class RandomCutout(AffineOperation):
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

    def terms(self, parameters: dict[str, Tensor], shape: Sequence[int]) -> tuple[Tensor, Tensor | None]:
        top, left, side = (parameters[name].view(-1, 1) for name in ("top", "left", "side"))
        row, column = (torch.arange(n, device=top.device) for n in shape[-2:])
        rows = (row >= top) & (row < top + side)
        columns = (column >= left) & (column < left + side)
        spared = (row == shape[-2] // 2).unsqueeze(1) & (column == shape[-1] // 2)
        drop = rows.unsqueeze(2) & columns.unsqueeze(1) & ~spared
        return (~drop).float().unsqueeze(1), None
