"""Multinomial logistic regression for many L2 penalties at once, each with a proof of how close it is.

For n samples (x_i, y_i) with one-hot y_i the objective of one penalty, which is scikit-learn's with C = 1 / penalty, is

    F(W, b) = 1/n [ sum_i (logsumexp(z_i) - z_i[y_i]) + penalty / 2 * ||W||² ],    z_i = x_i W + b.

All problems are solved by Newton's method with conjugate gradients, a group of neighbouring penalties side by side:
their products with the features are one matrix product, and a group starts where the one before it ended. In the
features' principal axes the Hessian is near (S ⊗ Σ) + penalty / n * I, with Σ diagonal and S the mean of diag(p) - ppᵀ
over the samples; its inverse, exact at W = 0, preconditions.

The gap is certified, not guessed. For any rows p_i of a K-simplex with sum_i p_i = sum_i y_i,

    min F >= 1/n sum_i H(p_i) - ||Xᵀ(P - Y)||² / (2 n penalty),    H = entropy,

since logsumexp(z) = max_p (p·z + H(p)). The softmax of the current z, mixed with as little of a constant row as makes
the sums right, is such a P.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from simclr.eval.probes.ridge_path import principal_axes

# Problems side by side: more make the products more efficient, fewer give more of them a start near their solution. On
# frozen features of Indian Pines the 36 strongest of 45 penalties take 13,334 Hessian products of one problem in groups
# of 3, and 20,479 in groups of 9.
GROUP = 3
# Logits at once: small enough to stay in the processor's cache, large enough for a GPU.
LOGITS_AT_ONCE = {"cpu": 2**19, "other": 2**25}
PRECONDITIONER_ROWS = 4096
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
    x: Tensor,
    y: Tensor,
    num_classes: int,
    penalties: Tensor,
    max_gap: float = 1e-6,
    max_gradient: float = 0.0,
    go_on: Callable[[Tensor, Tensor], bool] | None = None,
) -> LogisticPath:
    """L2-regularised multinomial logistic regression with an unpenalised intercept, for many penalties.

    Args:
        x: features, (n, dim) float64, on the device that computes.
        y: classes, (n,) int64, 0 <= y < num_classes, each at least once.
        num_classes: K.
        penalties: (a,) float64, positive, descending; scikit-learn's C is 1 / penalty (for two classes 2 / penalty, as
            its binary form has one vector of weights, the difference of our two).
        max_gap: a problem is solved when (F - min F) / F is proven to be at most this,
        max_gradient: or when no entry of its gradient exceeds this (scikit-learn's rule; its default is 1e-4).
        go_on: whether weaker penalties are wanted: asked after each ``GROUP`` of them with its weights (g, dim, K) and
            intercepts (g, K); all are when None.

    Returns:
        The solutions, in the order of the penalties, as far as the path went. A problem that ``MAX_NEWTON`` steps
        do not solve is returned as it is: look at ``gaps``.
    """
    with _flushed_denormals():
        problem = _Problem(x, y, num_classes)
        start = x.new_zeros(problem.features.shape[1], num_classes, 1)
        found = []
        for group in penalties.to(x).split(GROUP):
            inner, *numbers = _solve(problem, group / len(x), start, max_gap, max_gradient)
            start = inner[..., -1:]
            weights = torch.einsum("dr,rka->adk", problem.axes, inner[:-1])
            intercepts = inner[-1].T - torch.einsum("d,adk->ak", problem.mean, weights)
            found.append((weights, intercepts, *numbers))
            if go_on is not None and not go_on(weights, intercepts):
                break
    return LogisticPath(*(torch.cat(parts) for parts in zip(*found)))


class _Problem:
    """The samples in their principal axes, with a last feature of ones for the intercept.

    Parameters of a problems are (r + 1, K, a): the problem is the last axis, so that softmax runs over contiguous
    memory.
    """

    def __init__(self, x: Tensor, y: Tensor, num_classes: int) -> None:
        n = len(x)
        self.n, self.num_classes, self.y = n, num_classes, y
        self.mean = x.mean(0)
        scaled, self.axes, squares = principal_axes(x - self.mean)
        self.features = torch.cat([scaled, x.new_ones(n, 1)], 1)
        self.features32 = self.features.float()
        self.moments = torch.cat([squares / n, x.new_ones(1)])
        one_hot = torch.nn.functional.one_hot(y, num_classes).to(x)
        self.targets = self.features.T @ one_hot / n
        self.kind = "cpu" if x.device.type == "cpu" else "other"

    def rows(self, problems: int) -> int:
        return max(64, LOGITS_AT_ONCE[self.kind] // (self.num_classes * problems))

    def evaluate(self, w: Tensor, ridge: Tensor) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        """Objective (a,), gradient (r + 1, K, a), a lower bound of the minimum (a,), and the probabilities in float32.

        Everything is taken relative to the true class: near-perfect predictions then lose no digits.
        """
        width, classes, problems = w.shape
        flat, rows = w.reshape(width, -1), self.rows(problems)
        loss, entropy = w.new_zeros(problems), w.new_zeros(problems)
        gradient = torch.zeros_like(flat)
        kept = []
        for x, y in zip(self.features.split(rows), self.y.split(rows)):
            z = (x @ flat).view(-1, classes, problems)
            truth = y[:, None, None].expand(-1, 1, problems)
            z -= z.gather(1, truth)
            top = z.amax(1, keepdim=True)
            p = (z - top).exp_()
            total = p.sum(1, keepdim=True)
            p /= total
            losses = (total.log_() + top).sum((0, 1))
            loss += losses
            entropy += losses - (p * z).sum((0, 1))
            kept.append(p.float())
            p.scatter_add_(1, truth, p.new_full((1, 1, 1), -1.0).expand_as(truth))
            gradient.addmm_(x.T, p.view(len(x), -1))
        residual = gradient.view_as(w) / self.n
        bound = self._bound(residual, entropy / self.n, ridge)
        objective = loss / self.n + ridge / 2 * w[:-1].square().sum((0, 1))
        residual[:-1] += ridge * w[:-1]
        return objective, residual, bound, kept

    def _bound(self, residual: Tensor, entropy: Tensor, ridge: Tensor) -> Tensor:
        """Dual objective at (1 - e) P + e * constant, with the least e that gives every class its number of samples."""
        shares = self.targets[-1, :, None]
        e = (residual[-1] / (shares + residual[-1])).amax(0).clamp_min(0)
        slack = (1 - e) * residual[:-1] - e * self.targets[:-1, :, None]
        # Entropy is concave and that of the constant not negative.
        return (1 - e) * entropy - slack.square().sum((0, 1)) / (2 * ridge)

    def hessian_product(self, v: Tensor, kept: list[Tensor], first: int, ridge: Tensor) -> Tensor:
        """Hessian times v (r + 1, K, a), for problems ``first`` and on of those whose probabilities were kept.

        The sums run in float32: conjugate gradients need a direction, and the float64 gradient corrects it.
        """
        width, classes, problems = v.shape
        flat = v.reshape(width, -1).float()
        product = torch.zeros_like(flat)
        rows = len(kept[0])
        for x, y, p in zip(self.features32.split(rows), self.y.split(rows), kept):
            p = p[..., first:]
            u = (x @ flat).view(-1, classes, problems)
            u -= u.gather(1, y[:, None, None].expand(-1, 1, problems))
            u *= p
            u -= p * u.sum(1, keepdim=True)
            product.addmm_(x.T, u.view(len(x), -1))
        result = (product.to(v) / self.n).view_as(v)
        result[:-1] += ridge * v[:-1]
        return result


class _Preconditioner:
    """The inverse of (S ⊗ Σ) + ridge * I for each problem, with S the mean of diag(p) - ppᵀ over some samples."""

    def __init__(self, problem: _Problem, kept: list[Tensor], first: int, ridge: Tensor) -> None:
        step = max(1, problem.n // PRECONDITIONER_ROWS)
        p = torch.cat([part[::step] for part in kept])[..., first:].permute(2, 1, 0)
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


def _solve(
    problem: _Problem, ridge: Tensor, start: Tensor, max_gap: float, max_gradient: float
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Parameters, objectives, gaps, largest gradient entries and Newton steps of a group, ridge = penalties / n.

    The weakest penalties take longest, so the problems at work are a tail of the group: a slice, not a copy.
    """
    w = start.repeat(1, 1, len(ridge))
    objectives, gaps, gradients = (torch.full_like(ridge, torch.inf) for _ in range(3))
    steps = torch.zeros_like(ridge, dtype=torch.int64)
    first = 0
    f, g, bound, kept = problem.evaluate(w, ridge)
    while True:
        objectives[first:], gaps[first:] = f, (f - bound) / f
        gradients[first:] = torch.maximum(
            torch.einsum("dr,rka->dka", problem.axes, g[:-1]).abs().amax((0, 1)), g[-1].abs().amax(0)
        )
        open_ = (gaps > max_gap) & (gradients > max_gradient) & (steps < MAX_NEWTON)
        if not bool(open_.any()):
            return w, objectives, gaps, gradients, steps
        skip = int(open_.nonzero()[0]) - first
        first += skip
        g, tail = g[..., skip:], ridge[first:]
        direction = _newton_direction(problem, g, f[skip:], kept, skip, tail, open_[first:])
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
    problem: _Problem, g: Tensor, f: Tensor, kept: list[Tensor], skip: int, ridge: Tensor, open_: Tensor
) -> Tensor:
    """Conjugate gradients for H d = -g, as exact as the Newton decrement is small; zero for problems not open."""
    precondition = _Preconditioner(problem, kept, skip, ridge)
    d, r = torch.zeros_like(g), -g
    z = precondition(r, 0)
    p, rz = z.clone(), _dot(r, z)
    enough = (rz / f).sqrt().clamp(1e-3, 0.1).square() * rz
    running = open_ & (rz > 0)
    for _ in range(MAX_CG):
        if not bool(running.any()):
            break
        c = int(running.nonzero()[0])
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
    return d - d.mean(1, keepdim=True)


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
