"""Inverses close to that of the Hessian of logistic regression, for conjugate gradients.

In the features' principal axes the Hessian is near (S ⊗ Σ) + ridge * I, with Σ diagonal and S the mean of diag(p) - ppᵀ
over the samples: :class:`Kronecker`, exact at W = 0. In the strongest axes, which bend the objective most, :class:`Block`
is the Hessian itself, factorised: exact where it holds all of them. It is made for one point of a path and serves the
penalties after it, each with its own ridge.
"""

from __future__ import annotations

import torch
from torch import Tensor

from simclr.eval.probes.logistic_problem import Problem

ROWS = 4096
# Entries of the block's sums are float32: that much of each diagonal entry makes up for their rounding.
ROUNDING = 1e-5


class Kronecker:
    """The inverse of (S ⊗ Σ) + ridge * I for each problem."""

    def __init__(self, problem: Problem, kept: list[Tensor], first: int, ridge: Tensor) -> None:
        p = _some(kept, problem.n)[..., first:].permute(2, 1, 0)
        curvature = torch.diag_embed(p.mean(2)) - p @ p.transpose(1, 2) / p.shape[2]
        # 11ᵀ/K: along equal logits there is no curvature, and rounding must not be blown up.
        values, self.axes = torch.linalg.eigh(curvature.to(ridge) + 1 / problem.num_classes)
        self.inverse = problem.moments[:, None, None] * values.clamp_min(1e-12).T
        self.inverse[:-1] += ridge
        self.inverse.reciprocal_()

    def __call__(self, v: Tensor, first: int) -> Tensor:
        axes = self.axes[first:]
        inner = torch.einsum("rka,akl->rla", v, axes) * self.inverse[..., first:]
        return torch.einsum("rla,akl->rka", inner, axes)


class Block:
    """Inverses of the Hessian's block of the last axes and the intercept, one for each ridge.

    Args:
        problem: whose Hessian.
        p: probabilities of a point, parts of (rows, K) float32 that are all samples' together.
        width: features in the block, the intercept among them.
        ridges: (a,) float64.
    """

    def __init__(self, problem: Problem, p: list[Tensor], width: int, ridges: Tensor) -> None:
        self.width = width
        classes = problem.num_classes
        x, p_some = _some([problem.features32[:, -width:]], problem.n), _some(p, problem.n)
        y = _some([problem.y], problem.n)
        # 1 - p of the true class is lost to rounding, the sum of the others is not.
        others = p_some.scatter(1, y[:, None], 0)
        rest = (1 - p_some).scatter(1, y[:, None], others.sum(1, keepdim=True))
        block = torch.zeros(width * classes, width * classes, dtype=torch.float64, device=x.device)
        same = torch.zeros(width, classes, width, dtype=torch.float64, device=x.device)
        rows = max(64, 2**22 // (width * classes))
        for some, q, left in zip(x.split(rows), p_some.split(rows), rest.split(rows)):
            outer = (some[:, :, None] * q[:, None]).flatten(1)
            block -= outer.T @ outer
            same += ((some[:, :, None] * (q * left)[:, None]).flatten(1).T @ some).view_as(same)
        view = block.view(width, classes, width, classes)
        view.diagonal(dim1=1, dim2=3).copy_(same.transpose(1, 2))
        block /= len(x)
        block.diagonal().mul_(1 + ROUNDING)
        # As in Kronecker: nothing that is asked for lies along equal logits.
        moments = problem.moments[-width:]
        view.diagonal(dim1=0, dim2=2).add_(moments / classes)
        ridge = torch.cat([ridges.new_ones(width - 1), ridges.new_zeros(1)]).repeat_interleave(classes)
        self.factors = []
        for value in ridges:
            block.diagonal().add_(value * ridge)
            factor, info = torch.linalg.cholesky_ex(block)
            self.factors.append(factor.float() if int(info) == 0 else None)
            block.diagonal().sub_(value * ridge)

    def __call__(self, v: Tensor, z: Tensor, first: int) -> Tensor:
        """z, with the block's part of it replaced by the inverse of the block times that of v."""
        for i, factor in enumerate(self.factors[first:]):
            if factor is not None:
                part = v[-self.width :, :, i].reshape(-1, 1).float()
                z[-self.width :, :, i] = torch.cholesky_solve(part, factor).view(self.width, -1)
        return z


def block_cost(problem: Problem, size: int, ridges: int) -> float:
    """Floating-point operations that make a block of ``size`` parameters."""
    rows = min(problem.n, ROWS)
    return (2.0 + 2.0 / problem.num_classes) * rows * size**2 + ridges * size**3 / 3


def _some(parts: list[Tensor], n: int) -> Tensor:
    """At most twice ``ROWS`` of the samples, at even distances."""
    return torch.cat(parts)[:: max(1, n // ROWS)]
