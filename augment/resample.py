"""Separable linear maps of images, each sample its own: out = A_y · X · A_xᵀ."""

from __future__ import annotations

import torch
from torch import Tensor


def separable(x: Tensor, a_y: Tensor, a_x: Tensor) -> Tensor:
    """Map rows and columns of each image by its own matrices.

    Args:
        x: (B, C, H, W), floating point.
        a_y: (B, h, H) and
        a_x: (B, w, W), of the dtype in which the result is computed.

    Returns:
        (B, C, h, w) in the dtype of ``x``.
    """
    b, c, height, width = x.shape
    columns = torch.bmm(x.to(a_x.dtype).reshape(b, c * height, width), a_x.mT).view(b, c, height, a_x.shape[1])
    return torch.matmul(a_y.unsqueeze(1), columns).to(x.dtype)


def compute_dtype(x: Tensor) -> torch.dtype:
    """float64 for float64, float32 for everything smaller."""
    return torch.promote_types(x.dtype, torch.float32)


def bilinear_matrix(start: Tensor, length: Tensor, size: int, out: int, antialias: bool, dtype: torch.dtype) -> Tensor:
    """Weights that resize a piece of each line, bilinearly, to ``out`` pixels.

    Args:
        start: (B,) first pixel of the piece.
        length: (B,) pixels in the piece.
        size: pixels in the line.
        out: pixels in the result.
        antialias: widen the triangle when shrinking, so that every pixel of the piece counts.
        dtype: of the result.

    Returns:
        (B, out, size); rows sum to 1, pixels outside the piece have weight 0.
    """
    start, length = start.to(dtype).view(-1, 1, 1), length.to(dtype).view(-1, 1, 1)
    scale = length / out
    centre = start + scale * (torch.arange(out, device=start.device, dtype=dtype).view(1, -1, 1) + 0.5)
    position = torch.arange(size, device=start.device, dtype=dtype) + 0.5
    support = scale.clamp(min=1.0) if antialias else torch.ones_like(scale)
    weight = ((position - centre).abs_() / -support).add_(1.0).clamp_(min=0.0)
    weight *= (position > start) & (position < start + length)
    return weight.div_(weight.sum(-1, keepdim=True))


def nearest_index(start: Tensor, length: Tensor, out: int) -> Tensor:
    """(B, out) int64: the pixel of the piece under the centre of each of ``out`` equal cells."""
    cell = torch.arange(out, device=start.device, dtype=torch.float64) + 0.5
    return (start.view(-1, 1) + (cell * length.view(-1, 1) / out).floor()).long()
