"""Quarter turns, at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from simclr.augment.base import GeometricOperation, affine_matrix


def rotate90(
    x: Tensor,
    turns: Tensor,
    mirror_y: Tensor | bool = False,
    mirror_x: Tensor | bool = False,
    source: Tensor | None = None,
) -> Tensor:
    """Mirror each image, then turn it counter-clockwise, in one move of its pixels.

    Args:
        x: (B, C, N, N); any number of images if there is a ``source``.
        turns: (B,) integers in 0..3, quarter turns.
        mirror_y: (B,) bool, which images are turned upside down first.
        mirror_x: (B,) bool, in which left and right are exchanged first.
        source: (B,) int64, the image of ``x`` that each row is made of; its own if None.

    Returns:
        (B, C, N, N), the pixels of ``x``; channels last in memory.

    Raises:
        ValueError: if the images are not square.
    """
    if x.shape[-1] != x.shape[-2]:
        raise ValueError(
            f"quarter turns take square images, not {x.shape[-2]}x{x.shape[-1]}: crop them to a square first."
        )
    b, (_, c, n, _) = len(turns), x.shape
    odd, half = turns % 2 == 1, turns >= 2
    # An odd turn exchanges rows and columns, then turns the image upside down; half a turn mirrors both.
    flip_y = torch.where(odd, ~half, half) ^ torch.where(odd, mirror_x, mirror_y)
    flip_x = half ^ torch.where(odd, mirror_y, mirror_x)
    line = torch.arange(n, device=x.device)
    rows, columns = (torch.where(flip.view(-1, 1), n - 1 - line, line) for flip in (flip_y, flip_x))
    step_y, step_x = torch.where(odd, 1, n).view(-1, 1), torch.where(odd, n, 1).view(-1, 1)
    pixel = (rows * step_y).unsqueeze(2) + (columns * step_x).unsqueeze(1)
    image = torch.arange(b, device=x.device) if source is None else source
    pixel += (image * (n * n)).view(-1, 1, 1)
    # With the bands of a pixel side by side, a pixel is moved as a whole.
    pixels = x.permute(0, 2, 3, 1).reshape(-1, c)
    return pixels.index_select(0, pixel.flatten()).view(b, n, n, c).permute(0, 3, 1, 2)


class RandomRotation90(GeometricOperation):
    """A turn by 0, 90, 180 or 270 degrees, each equally likely, with probability ``p``.

    Args:
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if ``p`` is no probability; at the call, if the images are not square.
    """

    def __init__(self, p: float = 1.0, keepdim: bool = False) -> None:
        super().__init__(p, keepdim)

    def check_size(self, height: int, width: int) -> None:
        if height != width:
            raise ValueError(
                f"quarter turns take square images, but these are {height}x{width}: crop them to a square first, or "
                f"leave it out."
            )

    def draws(self, shape: Sequence[int]) -> int:
        return 1

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        return {"turns": (u[:, 0] * 4).long()}

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        mirror_y, mirror_x = (parameters.get(name, False) for name in ("mirror_y", "mirror_x"))
        return rotate90(x, parameters["turns"], mirror_y, mirror_x, parameters.get("source"))

    def compute_transformation(self, input: Tensor, params: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        turns, last = params["turns"].to(input.device), input.shape[-1] - 1.0
        cos = (turns == 0).to(input.dtype) - (turns == 2).to(input.dtype)
        sin = (turns == 1).to(input.dtype) - (turns == 3).to(input.dtype)
        # About the centre: counter-clockwise as seen, with y pointing down.
        shift_x = (1 - cos - sin) * last / 2
        shift_y = (1 + sin - cos) * last / 2
        return affine_matrix(((cos, sin, shift_x), (-sin, cos, shift_y)), input, input.shape[0])
