"""Products and Euclidean distances of rows, the same for all objectives; gradients are finite where rows are equal."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


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
    4e-8 of their length count as equal: the distance is 0, and so is its gradient, one of the subgradients there. They
    have a first derivative and no second.

    Args:
        a: (n, dim) float32 or float64.
        b: (m, dim) of that dtype; the same tensor as ``a`` for all pairs of its rows.
        squared: give squares.
    """
    found: Tensor = _Distances.apply(a, b, squared)
    return found


class _Distances(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, squared: bool) -> Tensor:
        with torch.autocast(a.device.type, enabled=False):
            exact = exact_dtype(a)
            x = a.to(exact)
            y = x if b is a else b.to(exact)
            of_a, of_b = x.square().sum(1, keepdim=True), y.square().sum(1)
            found = (of_a + of_b).addmm_(x, y.T, alpha=-2).to(a.dtype)
            rounding = 8 * torch.finfo(exact).eps
            found.masked_fill_(found <= (rounding * of_a).to(a.dtype) + (rounding * of_b).to(a.dtype), 0.0)
            if not squared:
                found.sqrt_()
        ctx.save_for_backward(a, b, None if squared else found)
        ctx.same = b is a
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """∂/∂a_i Σ g·d = Σ_j w_ij (a_i − b_j), with w = 2g of squares and g/d of distances, 0 where d is."""
        a, b, d = ctx.saved_tensors
        w = (2 * grad if d is None else (grad / d).masked_fill_(d == 0, 0.0)).to(exact_dtype(a))
        if ctx.same:
            w = w + w.T
        x = a.to(w.dtype)
        y = x if ctx.same else b.to(w.dtype)
        of_a = of_b = None
        if ctx.needs_input_grad[0]:
            of_a = torch.addmm(w.sum(1, keepdim=True) * x, w, y, alpha=-1).to(a.dtype)
        if ctx.needs_input_grad[1] and not ctx.same:
            of_b = torch.addmm(w.sum(0).unsqueeze(1) * y, w.T, x, alpha=-1).to(b.dtype)
        return of_a, of_b, None


def distances_of_pairs(a: Tensor, b: Tensor, squared: bool = False) -> Tensor:
    """Euclidean distances of each row of ``a`` (n, dim) to that of ``b`` in its place: (n,)."""
    found = (a - b).square().sum(1)
    return found if squared else root(found)


def root(squared: Tensor) -> Tensor:
    """Square root of numbers ≥ 0, with the gradient 0 at 0."""
    zero = squared.detach() == 0
    return squared.masked_fill(zero, 1.0).sqrt().masked_fill(zero, 0.0)
