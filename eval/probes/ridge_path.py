"""Ridge regression for many penalties at once, with exact leave-one-out errors, from one eigendecomposition."""

from __future__ import annotations

import torch
from torch import Tensor

TOGETHER = 9


def principal_axes(centred: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features in the coordinates in which their second moments are diagonal: centred = U S Vᵀ gives U S, V and S².

    Rank r = min(n, dim): the smaller Gram matrix is decomposed.

    Args:
        centred: features less their mean, (n, dim) float64.

    Returns:
        U S (n, r), V (dim, r) with orthonormal columns (zero where S is zero), S² (r,) ascending, none negative.
    """
    n, dim = centred.shape
    if n > dim:
        squares, right = torch.linalg.eigh(centred.T @ centred)
        return centred @ right, right, squares.clamp_min_(0)
    squares, left = torch.linalg.eigh(centred @ centred.T)
    squares.clamp_min_(0)
    # V S = xᵀ U; a zero singular value leaves a zero column.
    right = (centred.T @ left) / squares.sqrt().where(squares > squares.max() * 1e-14, torch.inf)
    return left * squares.sqrt(), right, squares


def ridge_path(x: Tensor, targets: Tensor, alphas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Ridge regression with an unpenalised intercept for many penalties at once, with exact leave-one-out errors.

    With x and targets centred and x = U S Vᵀ, the hat matrix is H = 11ᵀ/n + U S²/(S² + alpha) Uᵀ, and the error at a
    sample that was left out is its residual / (1 - H_ii).

    Args:
        x: features, (n, dim) float64.
        targets: (n, t) float64.
        alphas: penalties, (a,) float64, positive.

    Returns:
        mean leave-one-out squared errors (a,), weights (a, dim, t), intercepts (a, t).

    Source: Golub, Heath & Wahba, "Generalized cross-validation", Technometrics 1979; Allen's PRESS, 1974.
    """
    x_mean, target_mean = x.mean(0), targets.mean(0)
    residual_targets = targets - target_mean
    scaled, right, squares = principal_axes(x - x_mean)
    shrink = 1.0 / (squares[None, :] + alphas[:, None])  # (a, r)
    inner = shrink[:, :, None] * (scaled.T @ residual_targets)  # (a, r, t)
    kept = 1.0 - 1.0 / len(x) - scaled.square() @ shrink.T  # 1 - H_ii, (n, a)
    errors = []
    # Some penalties in one product: many times faster than each alone.
    for some, b in zip(kept.split(TOGETHER, 1), inner.split(TOGETHER)):
        predicted = (scaled @ b.permute(1, 0, 2).flatten(1)).view(len(x), len(b), -1)
        left_out = (residual_targets[:, None] - predicted) / some[:, :, None]
        errors.append(left_out.square_().mean((0, 2)))
    weights = right @ inner
    return torch.cat(errors), weights, target_mean - x_mean @ weights
