"""Colour jitter as one affine map of the colours of each image: faster than torchvision's, and not equal to it."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from simclr.augment.luma import luma

# RGB -> YIQ: luma, then two axes of colour, in whose plane hue is an angle. NTSC, 1953, with torchvision's luma.
_YIQ = ((0.2989, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


def color_affine(x: Tensor, factors: Tensor, order: Tensor) -> Tensor:
    """Brightness, contrast, saturation and hue as one 3x4 matrix an image, clamped to 0..1 at the end.

    As ``color_jitter``, but nothing is clamped between the steps, and hue is a rotation of YIQ's colour plane, which
    keeps luma where HSV keeps the largest band.

    Args:
        x: (B, 3, H, W) in 0..1.
        factors: (B, 4) factor of brightness, contrast, saturation, and the shift of hue in turns.
        order: (B, n) int64, the n different steps of each image as columns of ``factors``.

    Returns:
        (B, 3, H, W) in the dtype of ``x``; computed in at least float32.
    """
    dtype, x = x.dtype, x.to(torch.promote_types(x.dtype, torch.float32))
    factors = factors.to(x.dtype)
    basis = _hue_basis(x.dtype, x.device)
    angle = (2.0 * math.pi * factors[:, 3]).view(-1, 1, 1)
    turn = basis[0] + angle.cos() * basis[1] + angle.sin() * basis[2]
    one = torch.eye(3, dtype=x.dtype, device=x.device)
    grey = luma(one.view(1, 3, 3, 1)).view(1, 1, 3)  # its weights, as a row
    mean = x.mean(3, keepdim=True).mean(2)
    matrix, offset = one.expand(len(x), 3, 3), torch.zeros_like(mean)
    for step in order.unsqueeze(2).unbind(1):
        f = factors.gather(1, step).unsqueeze(2)
        contrast, saturation, hue = ((step == i).unsqueeze(2) for i in (1, 2, 3))
        level = (grey * (_product(matrix, mean) + offset).mT).sum(2, keepdim=True)
        change = torch.where(hue, turn, f * one + torch.where(saturation, (1.0 - f) * grey, 0.0))
        matrix, offset = _product(change, matrix), _product(change, offset)
        offset = offset + torch.where(contrast, (1.0 - f) * level, 0.0)
    return torch.baddbmm(offset, matrix, x.flatten(2)).clamp_(0.0, 1.0).view_as(x).to(dtype)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Matrix product of small matrices, rounded alike in every batch."""
    return (a.unsqueeze(3) * b.unsqueeze(1)).sum(2)


@lru_cache(maxsize=16)
def _hue_basis(dtype: torch.dtype, device: torch.device) -> Tensor:
    """(3, 3, 3): matrices M with M0 + cos(angle)·M1 + sin(angle)·M2 the turn of hue, kept on the device."""
    to_yiq = torch.tensor(_YIQ, dtype=torch.float64)
    parts = torch.zeros(3, 3, 3, dtype=torch.float64)
    # From red to yellow, as HSV's hue grows, the angle in the plane of I and Q falls.
    parts[0, 0, 0] = parts[1, 1, 1] = parts[1, 2, 2] = parts[2, 1, 2] = 1.0
    parts[2, 2, 1] = -1.0
    return (torch.linalg.inv(to_yiq) @ parts @ to_yiq).to(device, dtype)
