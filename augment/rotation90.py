"""Quarter turns, at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from augment.base import GeometricOperation, affine_matrix


def rotate90(x: Tensor, turns: Tensor) -> Tensor:
    """Turn each image counter-clockwise by its own number of quarter turns.

    Args:
        x: (B, C, N, N).
        turns: (B,) integers in 0..3.

    Returns:
        (B, C, N, N), the pixels of ``x``.

    Raises:
        ValueError: if the images are not square.
    """
    if x.shape[-1] != x.shape[-2]:
        raise ValueError(
            f"quarter turns take square images, not {x.shape[-2]}x{x.shape[-1]}: crop them to a square first."
        )
    turns = turns.view(-1, 1, 1, 1)
    x = torch.where(turns % 2 == 1, x.transpose(-1, -2).flip(-2), x)
    return torch.where(turns >= 2, x.flip(-1, -2), x)


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

    def draws(self, shape: Sequence[int]) -> int:
        return 1

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        return {"turns": (u[:, 0] * 4).long()}

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        return rotate90(x, parameters["turns"])

    def compute_transformation(self, input: Tensor, params: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        turns, last = params["turns"].to(input.device), input.shape[-1] - 1.0
        cos = (turns == 0).to(input.dtype) - (turns == 2).to(input.dtype)
        sin = (turns == 1).to(input.dtype) - (turns == 3).to(input.dtype)
        # About the centre: counter-clockwise as seen, with y pointing down.
        shift_x = (1 - cos - sin) * last / 2
        shift_y = (1 + sin - cos) * last / 2
        return affine_matrix(((cos, sin, shift_x), (-sin, cos, shift_y)), input, input.shape[0])
