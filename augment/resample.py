"""Separable resampling of images, each sample its own: a line of the result is a weighted sum of lines of the input."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

# Up to so many pixels a side, a product with a small dense matrix costs less than two transpositions.
_DENSE = 128


class Lines(NamedTuple):
    """Which lines (rows or columns) of the input make each line of the result.

    Attributes:
        source: (B, n, taps) int64, lines of the input.
        weight: (B, n, taps) their weights, of the dtype in which the result is computed.
    """

    source: Tensor
    weight: Tensor

    def reversed_where(self, mirror: Tensor) -> Lines:
        """The lines in reverse order for the samples where ``mirror`` (B,) is true."""
        mirror = mirror.view(-1, 1, 1)
        return Lines(*(torch.where(mirror, part.flip(1), part) for part in self))


def separable(x: Tensor, rows: Lines, columns: Lines, source: Tensor | None = None) -> Tensor:
    """Mix the rows, then the columns, of each image.

    Args:
        x: (B, C, H, W), floating point; any number of images if there is a ``source``.
        rows: of h lines, sources below H.
        columns: of w lines, sources below W.
        source: (B,) int64, the image of ``x`` of each row of the result; its own if None.

    Returns:
        (B, C, h, w) in the dtype of ``x``.
    """
    mixed = _mix_rows(x.to(rows.weight.dtype), rows, source)
    width = x.shape[-1]
    if width > _DENSE:
        return _mix_rows(mixed.mT.contiguous(), columns).mT.to(x.dtype, memory_format=torch.contiguous_format)
    matrix = columns.weight.new_zeros(*columns.weight.shape[:2], width)
    matrix.scatter_add_(2, columns.source, columns.weight)
    return torch.bmm(mixed.flatten(1, 2), matrix.mT).unflatten(1, mixed.shape[1:3]).to(x.dtype)


def _mix_rows(x: Tensor, lines: Lines, source: Tensor | None = None) -> Tensor:
    c, h, w = x.shape[1:]
    b, n, taps = lines.source.shape
    image = torch.arange(b, device=x.device) if source is None else source
    first = (image.view(-1, 1) * c + torch.arange(c, device=x.device)).view(b, c, 1, 1) * h
    bags = (lines.source.unsqueeze(1) + first).view(-1, taps)
    weight = lines.weight.unsqueeze(1).expand(b, c, n, taps).reshape(-1, taps)
    # A bag of embeddings is a weighted sum of rows, in one vectorised pass over the taps alone.
    return F.embedding_bag(bags, x.reshape(-1, w), mode="sum", per_sample_weights=weight).view(b, c, n, w)


def compute_dtype(x: Tensor) -> torch.dtype:
    """float64 for float64, float32 for everything smaller."""
    return torch.promote_types(x.dtype, torch.float32)


def bilinear_lines(start: Tensor, length: Tensor, size: int, out: int, antialias: bool, dtype: torch.dtype) -> Lines:
    """Lines that resize a piece of each image, bilinearly, to ``out`` lines.

    Args:
        start: (B,) first line of the piece.
        length: (B,) lines in the piece.
        size: lines in the image.
        out: lines in the result.
        antialias: widen the triangle when shrinking, so that every line of the piece counts.
        dtype: of the weights.

    Returns:
        Weights that sum to 1; 0 outside the piece.
    """
    start, length = start.to(dtype).view(-1, 1, 1), length.to(dtype).view(-1, 1, 1)
    scale = length / out
    centre = start + scale * (torch.arange(out, device=start.device, dtype=dtype).view(1, -1, 1) + 0.5)
    support = scale.clamp(min=1.0) if antialias else torch.ones_like(scale)
    # An open interval of length 2s holds at most ceil(2s) centres of pixels.
    taps = math.ceil(2.0 * max(1.0, size / out)) if antialias else 2
    place = (centre - support - 0.5).floor_() + (1 + torch.arange(taps, device=start.device, dtype=dtype))
    weight = ((place + 0.5 - centre).abs_() / -support).add_(1.0).clamp_(min=0.0)
    weight *= (place >= start) & (place < start + length)
    return Lines(place.clamp_(0, size - 1).long(), weight.div_(weight.sum(-1, keepdim=True)))


def nearest_index(start: Tensor, length: Tensor, out: int) -> Tensor:
    """(B, out) int64: the pixel of the piece under the centre of each of ``out`` equal cells."""
    cell = torch.arange(out, device=start.device, dtype=torch.float64) + 0.5
    return (start.view(-1, 1) + (cell * length.view(-1, 1) / out).floor()).long()
