"""Multinomial logistic regression for many L2 penalties at once, each with a proof of how close it is.

For n samples (x_i, y_i) with one-hot y_i the objective of one penalty, which is scikit-learn's with C = 1 / penalty, is

    F(W, b) = 1/n [ sum_i (logsumexp(z_i) - z_i[y_i]) + penalty / 2 * ||W||² ],    z_i = x_i W + b.

All problems are solved by Newton's method with conjugate gradients, a group of neighbouring penalties side by side:
their products with the features are one matrix product, and a group starts on the line, by the logarithm of the
penalty, through the two solutions before it. The preconditioner is the Hessian itself in the features' strongest
principal axes, factorised once for a group, and in the others its Kronecker approximation
(:mod:`simclr.eval.probes.logistic_preconditioner`). The block grows with what conjugate gradients cost along the path.

The gap is certified, not guessed. For any rows p_i of a K-simplex with sum_i p_i = sum_i y_i,

    min F >= 1/n sum_i H(p_i) - ||Xᵀ(P - Y)||² / (2 n penalty),    H = entropy,

since logsumexp(z) = max_p (p·z + H(p)). The softmax of the current z, mixed with as little of a constant row as makes
the sums right, is such a P.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from simclr.eval.probes.logistic_preconditioner import Preconditioner, block_cost
from simclr.eval.probes.logistic_problem import Problem
from simclr.eval.probes.logistic_tiles import problem_of
from simclr.eval.subject.rows import Matrix

# Problems side by side: more make the products more efficient, fewer give more of them a start near their solution.
GROUP = 3
# Parameters of the Hessian's block at most: a larger one costs more to apply than the products that it saves.
BLOCK = 2048
# The next block may cost this share of what conjugate gradients took in the last group: twice as much wins another
# quarter on digits, and loses one on Indian Pines.
SHARE = 1.0
MAX_NEWTON = 100
MAX_CG = 500


@dataclass(frozen=True)
class LogisticPath:
    """Solutions for a penalties.

    Attributes:
        weights: (a, dim, K) float64.
        intercepts: (a, K) float64; weights and intercepts each sum to zero over the classes.
        objectives: F, (a,) float64.
        gaps: upper bounds of (F - min F) / F, (a,) float64.
        gradients: the largest entry of the gradient of F, (a,) float64: what scikit-learn's ``tol`` bounds.
        newton_steps: Newton steps of each penalty, (a,) int64.
    """

    weights: Tensor
    intercepts: Tensor
    objectives: Tensor
    gaps: Tensor
    gradients: Tensor
    newton_steps: Tensor


def logistic_path(
    x: Matrix,
    y: Tensor,
    num_classes: int,
    penalties: Tensor,
    max_gap: float = 1e-6,
    max_gradient: float = 0.0,
    go_on: Callable[[Tensor, Tensor], bool] | None = None,
    start: tuple[Tensor, Tensor] | None = None,
) -> LogisticPath:
    """L2-regularised multinomial logistic regression with an unpenalised intercept, for many penalties.

    Args:
        x: features, (n, dim) float64, on the device that computes; rows on disk are read once for every step.
        y: classes, (n,) int64, 0 <= y < num_classes, each at least once.
        num_classes: K.
        penalties: (a,) float64, positive, descending; scikit-learn's C is 1 / penalty (for two classes 2 / penalty, as
            its binary form has one vector of weights, the difference of our two).
        max_gap: a problem is solved when (F - min F) / F is proven to be at most this,
        max_gradient: or when no entry of its gradient exceeds this (scikit-learn's rule; its default is 1e-4).
        go_on: whether weaker penalties are wanted: asked after each group of them with its weights (g, dim, K) and
            intercepts (g, K); all are when None.
        start: weights (dim, K) and intercepts (K,) of a problem like the first, from which that one starts; None is
            the solution without features.

    Returns:
        The solutions, in the order of the penalties, as far as the path went. A problem that ``MAX_NEWTON`` steps
        do not solve is returned as it is: look at ``gaps``.
    """
    with _flushed_denormals():
        problem = problem_of(x, y, num_classes)
        known = [(0.0, problem.without_features() if start is None else problem.inner(start[0][None], start[1][None]))]
        width, found, done = 0, [], 0
        for group in penalties.to(problem.mean).split(problem.together(GROUP)):
            solved = _solve(
                problem,
                group / problem.n,
                _start(known, group),
                width,
                (max_gap, max_gradient),
            )
            width = _width(problem, width, solved.products, len(group))
            ends = zip(group.log().tolist(), solved.w.split(1, 2))
            known = (([] if done == 0 else known) + [*ends])[-2:]
            weights, intercepts = problem.outer(solved.w)
            found.append((weights, intercepts, *solved[1:5]))
            done += len(group)
            if go_on is not None and not go_on(weights, intercepts):
                break
    return LogisticPath(*(torch.cat(parts) for parts in zip(*found)))


def _start(known: list[tuple[float, Tensor]], group: Tensor) -> Tensor:
    """Where the problems of a group start, (r + 1, K, g): on the line through the last two solutions by log penalty."""
    place, w = known[-1]
    if len(known) == 1 or known[0][0] == place:
        return w.repeat(1, 1, len(group))
    before, earlier = known[0]
    return w + (w - earlier) * ((group.log() - place) / (place - before))


def _width(problem: Problem, width: int, products: int, problems: int) -> int:
    """Features in the next group's block: twice as many, and again, as long as products of the last one pay for it."""
    features, classes = len(problem.moments), problem.num_classes
    paid = SHARE * products * 4.0 * problem.n * features * classes
    while width < features:
        wider = min(max(2 * width, 2), features)
        if wider * classes > BLOCK or block_cost(problem, wider * classes, problems) > paid:
            break
        width = wider
    return width


class _Solved(NamedTuple):
    """A group: parameters (r + 1, K, g), as in ``LogisticPath`` (g,) each, and the Hessian products that it took."""

    w: Tensor
    objectives: Tensor
    gaps: Tensor
    gradients: Tensor
    steps: Tensor
    products: int


def _solve(problem: Problem, ridge: Tensor, start: Tensor, width: int, most: tuple[float, float]) -> _Solved:
    """Newton's method for a group, ridge = penalties / n, until its gaps or its gradients are at most so large.

    The weakest penalties take longest, so the problems at work are a tail of the group: a slice, not a copy.
    """
    w = start.clone()
    objectives, gaps, gradients = (torch.full_like(ridge, torch.inf) for _ in range(3))
    steps = torch.zeros_like(ridge, dtype=torch.int64)
    first, products = 0, 0
    precondition = Preconditioner(problem, width, ridge)
    f, g, bound, kept = problem.evaluate(w, ridge)
    while True:
        objectives[first:], gaps[first:] = f, (f - bound) / f
        gradients[first:] = torch.maximum(
            torch.einsum("dr,rka->dka", problem.axes, g[:-1]).abs().amax((0, 1)), g[-1].abs().amax(0)
        )
        open_ = (gaps > most[0]) & (gradients > most[1]) & (steps < MAX_NEWTON)
        if not bool(open_.any()):
            return _Solved(w, objectives, gaps, gradients, steps, products)
        skip = int(open_.nonzero()[0]) - first
        first += skip
        g, tail = g[..., skip:], ridge[first:]
        precondition.at(kept[..., skip:], first)
        direction, taken = _newton_direction(problem, g, f[skip:], kept, skip, tail, open_[first:], precondition)
        del kept  # the next take its place in memory
        products += taken
        slope = _dot(g, direction)
        # Rounding alone can turn a direction uphill: halving its length would never end.
        direction, slope = torch.where(slope < 0, direction, 0.0), slope.clamp_max(0)
        length = torch.ones_like(slope)
        while True:
            trial = w[..., first:] + length * direction
            f, g, bound, kept = problem.evaluate(trial, tail)
            # Convex along the line: a rise this steep means that the minimum was passed by far.
            passed = _dot(g, direction) > -0.5 * slope
            if not bool(passed.any()):
                break
            length = torch.where(passed, length / 2, length)
        w[..., first:] = trial
        steps[first:] += open_[first:]


def _newton_direction(
    problem: Problem,
    g: Tensor,
    f: Tensor,
    kept: Tensor,
    skip: int,
    ridge: Tensor,
    open_: Tensor,
    precondition: Preconditioner,
) -> tuple[Tensor, int]:
    """Conjugate gradients for H d = -g, as exact as the Newton decrement is small, and their products.

    The direction is zero for problems not open.
    """
    d, r = torch.zeros_like(g), -g
    z = precondition(r, 0)
    p, rz = z.clone(), _dot(r, z)
    enough = (rz / f).sqrt().clamp(1e-3, 0.1).square() * rz
    running = open_ & (rz > 0)
    products = 0
    for _ in range(MAX_CG):
        if not bool(running.any()):
            break
        c = int(running.nonzero()[0])
        products += len(ridge) - c
        hp = problem.hessian_product(p[..., c:], kept, skip + c, ridge[c:])
        curvature = _dot(p[..., c:], hp)
        running[c:] &= curvature > 0
        alpha = torch.where(running[c:], rz[c:] / curvature, 0.0)
        d[..., c:] += alpha * p[..., c:]
        r[..., c:] -= alpha * hp
        z = precondition(r[..., c:], c)
        new = _dot(r[..., c:], z)
        running[c:] &= new > enough[c:]
        p[..., c:] = z + torch.where(running[c:], new / rz[c:], 0.0) * p[..., c:]
        rz[c:] = new
    # A constant over the classes changes no prediction: what rounding leaves of it only costs penalty.
    return d - d.mean(1, keepdim=True), products


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((0, 1))


@contextmanager
def _flushed_denormals() -> Iterator[None]:
    """Denormal numbers count as zero for a while: probabilities of nearly nothing would take 30 times as long."""
    before = _flushes_denormals()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _flushes_denormals() -> bool:
    return float(torch.tensor(1e-300, dtype=torch.float64) * 1e-10) == 0.0
