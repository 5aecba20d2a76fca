"""Strokes made thicker or thinner, at random."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from simclr.augment import checks
from simclr.augment.base import IntensityOperation


def dilate(x: Tensor, size: int) -> Tensor:
    """The greatest value in the square around each pixel; what lies beyond the edge does not count.

    Args:
        x: (B, C, H, W), floating point.
        size: side of the square; an even one reaches one pixel further down and to the right.

    Returns:
        Shape and dtype of ``x``. Equals ``scipy.ndimage.grey_dilation`` of each channel.
    """
    return _greatest(x, (size - 1) // 2, size // 2)


def erode(x: Tensor, size: int) -> Tensor:
    """The least value in the square around each pixel; an even one reaches one pixel further up and to the left.

    Arguments and result as of `dilate`. Equals ``scipy.ndimage.grey_erosion`` of each channel.
    """
    return -_greatest(-x, size // 2, (size - 1) // 2)


def _greatest(x: Tensor, before: int, after: int) -> Tensor:
    padded = F.pad(x, (before, after, before, after), value=-math.inf)
    return F.max_pool2d(padded, before + after + 1, stride=1)


class RandomMorphology(IntensityOperation):
    """Bright parts grown or shrunk by the greatest or least value of a small square, with probability ``p``.

    Each sample is dilated or eroded with equal probability, by a square of 2 to ``size`` pixels a side, each equally
    likely: strokes of a thicker or a thinner pen, whether they are bright on dark or dark on bright.

    Args:
        size: side of the largest square.
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if ``size`` is no integer from 2 to 15, or ``p`` no probability.

    Source: Serra, "Image analysis and mathematical morphology", 1982 (with a flat structuring element).
    """

    def __init__(self, size: int = 2, p: float = 0.5, keepdim: bool = False) -> None:
        super().__init__(p, keepdim, size=checks.integer("size", size, 2, 15))

    def draws(self, shape: Sequence[int]) -> int:
        return 2

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        return {"grows": u[:, 0] < 0.5, "size": 2 + (u[:, 1] * (self.flags["size"] - 1)).long()}

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        grows, size = (parameters[name].view(-1, 1, 1, 1) for name in ("grows", "size"))
        out = x
        # Every size of all samples: looking which of them occur would make a GPU wait.
        for side in range(2, flags["size"] + 1):
            out = torch.where(size == side, torch.where(grows, dilate(x, side), erode(x, side)), out)
        return out
