"""Products and Euclidean distances of rows, the same for all objectives; gradients are finite where rows are equal."""

from __future__ import annotations

import torch
from torch import Tensor


def exact_dtype(x: Tensor) -> torch.dtype:
    """Of products whose rounding must not show: float64, or float32 on a device that has no other."""
    return torch.float32 if x.device.type == "mps" else torch.float64


def products(a: Tensor, b: Tensor) -> Tensor:
    """Inner products of all rows of ``a`` (n, dim) with all of ``b`` (m, dim): (n, m) in `exact_dtype`."""
    with torch.autocast(a.device.type, enabled=False):
        exact = exact_dtype(a)
        return a.to(exact) @ b.to(exact).T


def distances(a: Tensor, b: Tensor, squared: bool = False) -> Tensor:
    """Euclidean distances of all rows of ``a`` (n, dim) to all of ``b`` (m, dim): (n, m) in the dtype of ``a``.

    They come from ‖a‖² + ‖b‖² − 2a·b in float64, where float32 has digits to spare. Rows that differ by less than about
    4e-8 of their length count as equal: the distance is 0, and so is its gradient, one of the subgradients there.

    Args:
        a: (n, dim) float32 or float64.
        b: (m, dim) of that dtype.
        squared: give squares.
    """
    with torch.autocast(a.device.type, enabled=False):
        exact = exact_dtype(a)
        x, y = a.to(exact), b.to(exact)
        lengths = x.square().sum(1, keepdim=True) + y.square().sum(1)
        found = torch.addmm(lengths, x, y.T, alpha=-2)
        rounding = 8 * torch.finfo(exact).eps
        found = found.masked_fill(found.detach() <= rounding * lengths.detach(), 0.0).to(a.dtype)
        return found if squared else root(found)


def distances_of_pairs(a: Tensor, b: Tensor, squared: bool = False) -> Tensor:
    """Euclidean distances of each row of ``a`` (n, dim) to that of ``b`` in its place: (n,)."""
    found = (a - b).square().sum(1)
    return found if squared else root(found)


def root(squared: Tensor) -> Tensor:
    """Square root of numbers ≥ 0, with the gradient 0 at 0."""
    zero = squared.detach() == 0
    return squared.masked_fill(zero, 1.0).sqrt().masked_fill(zero, 0.0)
