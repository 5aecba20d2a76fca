"""Inverses close to that of the Hessian of logistic regression, for conjugate gradients.

In the features' principal axes the Hessian is near (S ⊗ Σ) + ridge * I, with Σ diagonal and S the mean of diag(p) - ppᵀ
over the samples: :class:`Kronecker`, exact at W = 0. In the strongest axes, which bend the objective most, it is the
Hessian itself, factorised: :class:`Block`, exact where it holds all of them. It is made at one point of a path and
serves the penalties around it, each with its own ridge: on spectra of Indian Pines at a penalty of 0.01, 204 steps of
conjugate gradients without it become 36 with 64 of 200 axes, and 32 where the block is that of 5.6 times the penalty.
"""

from __future__ import annotations

import torch
from torch import Tensor

from simclr.eval.probes.logistic_problem import SOME, Problem

# Entries of the block's sums are float32: that much of each diagonal entry makes up for their rounding.
ROUNDING = 1e-5
# Numbers at once where samples are multiplied by their probabilities.
AT_ONCE = 2**22


class Preconditioner:
    """Kronecker's inverse at the current point, and the block's in the last ``width`` features, made once for a group.

    Args:
        problem: whose Hessian.
        width: features of the block, the intercept among them; 0 for none.
        ridges: of all problems of the group, (g,) float64.
    """

    def __init__(self, problem: Problem, width: int, ridges: Tensor) -> None:
        self.problem, self.width, self.ridges = problem, width, ridges
        self.block: Block | None = None

    def at(self, p: Tensor, first: int) -> None:
        """Moves to the probabilities of problems ``first`` and on, (n, K, g - first) float32."""
        self.first = first
        some = p[:: self.problem.stride]
        if self.block is None and self.width:
            self.block = Block(self.problem, some[..., 0], self.width, self.ridges)
        self.kronecker = Kronecker(self.problem, some, self.ridges[first:])

    def __call__(self, v: Tensor, skip: int) -> Tensor:
        """The inverses times v (r + 1, K, a), for problems ``skip`` and on of those moved to."""
        z = self.kronecker(v, skip)
        if self.block is not None:
            self.block.replace(z, v, self.first + skip)
        return z


class Kronecker:
    """The inverse of (S ⊗ Σ) + ridge * I for each problem, at probabilities of some samples, (s, K, a)."""

    def __init__(self, problem: Problem, p: Tensor, ridge: Tensor) -> None:
        some = p.permute(2, 1, 0)
        curvature = torch.diag_embed(some.mean(2)) - some @ some.transpose(1, 2) / some.shape[2]
        # 11ᵀ/K: along equal logits there is no curvature, and rounding must not be blown up.
        values, self.axes = torch.linalg.eigh(curvature.to(ridge) + 1 / problem.num_classes)
        self.inverse = problem.moments[:, None, None] * values.clamp_min(1e-12).T
        self.inverse[:-1] += ridge
        self.inverse.reciprocal_()

    def __call__(self, v: Tensor, skip: int) -> Tensor:
        axes = self.axes[skip:]
        inner = torch.einsum("rka,akl->rla", v, axes) * self.inverse[..., skip:]
        return torch.einsum("rla,akl->rka", inner, axes)


class Block:
    """The inverse of the Hessian's block of the last ``width`` features, for each ridge.

    Args:
        problem: whose Hessian.
        some: probabilities of the problem's ``some`` samples, (s, K) float32.
        width, ridges: as of :class:`Preconditioner`.
    """

    def __init__(self, problem: Problem, some: Tensor, width: int, ridges: Tensor) -> None:
        self.width, classes = width, problem.num_classes
        x, y = problem.some[:, -width:], problem.y[:: problem.stride]
        # 1 - p of the true class is lost to rounding, the sum of the others is not.
        others = some.scatter(1, y[:, None], 0).sum(1, keepdim=True)
        variance = some * (1 - some).scatter(1, y[:, None], others)
        block = torch.zeros(width * classes, width * classes, dtype=torch.float64, device=x.device)
        same = torch.zeros(width * classes, width, dtype=torch.float64, device=x.device)
        rows = max(64, AT_ONCE // (width * classes))
        for part, q, bent in zip(x.split(rows), some.split(rows), variance.split(rows)):
            outer = (part[:, :, None] * q[:, None]).flatten(1)
            block -= outer.T @ outer
            same += (part[:, :, None] * bent[:, None]).flatten(1).T @ part
        view = block.view(width, classes, width, classes)
        view.diagonal(dim1=1, dim2=3).copy_(same.view(width, classes, width).transpose(1, 2))
        block /= len(x)
        block.diagonal().mul_(1 + ROUNDING)
        # As in Kronecker: nothing that is asked for lies along equal logits.
        view.diagonal(dim1=0, dim2=2).add_(problem.moments[-width:] / classes)
        penalised = torch.ones(width, classes).index_fill(0, torch.tensor(width - 1), 0).to(ridges).flatten()
        # Where rounding leaves no positive block, Kronecker's stands.
        self.factors = [
            factor.float() if int(info) == 0 else None
            for factor, info in (torch.linalg.cholesky_ex(block + torch.diag(ridge * penalised)) for ridge in ridges)
        ]

    def replace(self, z: Tensor, v: Tensor, first: int) -> None:
        """Puts the inverse times v where z has these features, for problems ``first`` and on, the last axis of both."""
        for i, factor in enumerate(self.factors[first:]):
            if factor is not None:
                part = v[-self.width :, :, i].reshape(-1, 1).float()
                z[-self.width :, :, i] = torch.cholesky_solve(part, factor).view(self.width, -1)


def block_cost(problem: Problem, size: int, ridges: int) -> float:
    """Floating-point operations that make a block of ``size`` parameters."""
    rows = min(problem.n, SOME)
    return (2.0 + 2.0 / problem.num_classes) * rows * size**2 + ridges * size**3 / 3
