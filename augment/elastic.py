"""Bent as a sheet of rubber is, at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from kornia.constants import Resample
from torch import Tensor

from simclr.augment import checks
from simclr.augment.addressed import box_muller
from simclr.augment.base import GeometricOperation
from simclr.augment.resample import compute_dtype
from simclr.augment.warp import centred, read_at


def elastic(x: Tensor, moves: Tensor, fill: float = 0.0, nearest: bool = False) -> Tensor:
    """Read each image at places that are moved smoothly.

    Args:
        x: (B, C, H, W), floating point.
        moves: (B, 2, n, n), by how many pixels (x, y) the place that is read lies off, at n x n points from corner to
            corner; between them, bicubic.
        fill: of what comes in from beyond the edge.
        nearest: take the pixel under each place instead of mixing pixels.

    Returns:
        Shape and dtype of ``x``.
    """
    height, width = x.shape[-2:]
    moves = moves.to(compute_dtype(x))
    smooth = F.interpolate(moves, size=(height, width), mode="bicubic", align_corners=True)
    places = centred(height, width, moves.dtype, x.device) + smooth.permute(0, 2, 3, 1)
    return read_at(x, places, fill, nearest)


class RandomElastic(GeometricOperation):
    """Pixels moved by a smooth random field, with probability ``p``: no two hands draw a character alike.

    Args:
        amount: standard deviation of the moves, as a share of the side.
        points: a side, from corner to corner, at which moves are drawn; more of them bend finer.
        fill: of what comes in from beyond the edge, in the units of the input: the background's.
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if an argument is out of its range, or ``p`` no probability.

    Source: after Simard, Steinkraus & Platt, "Best practices for convolutional neural networks applied to visual
    document analysis", ICDAR 2003, section 2, with a coarse grid in place of the Gaussian filter.
    """

    acts_on_bands = True  # it brings in what is no mixture of pixels

    def __init__(
        self, amount: float = 0.04, points: int = 4, fill: float = 0.0, p: float = 1.0, keepdim: bool = False
    ) -> None:
        super().__init__(
            p,
            keepdim,
            amount=checks.number("amount", amount, low=0.0, high=0.5),
            points=checks.integer("points", points, 2, 32),
            fill=checks.number("fill", fill),
            resample=Resample.BILINEAR,
        )

    def describe(self) -> str:
        f = self.flags
        fill = f", fill={f['fill']:.4g}" if f["fill"] else ""
        return f"amount={f['amount']:.4g}, points={f['points']}{fill}, p={self.p}"

    def draws(self, shape: Sequence[int]) -> int:
        return 2 * self.flags["points"] ** 2

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        return {"runs": u}

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        n = flags["points"]
        side = torch.tensor((x.shape[-1], x.shape[-2]), dtype=torch.float32, device=x.device)
        moves = box_muller(parameters["runs"]).view(-1, 2, n, n) * (flags["amount"] * side).view(1, 2, 1, 1)
        nearest = flags["resample"] == Resample.NEAREST  # kornia asks for it on masks
        return elastic(x, moves, flags["fill"], nearest)

    def compute_transformation(self, input: Tensor, params: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        """The matrix of none: no matrix bends."""
        return torch.eye(3, dtype=input.dtype, device=input.device).expand(input.shape[0], 3, 3)
