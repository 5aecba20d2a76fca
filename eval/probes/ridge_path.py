"""Ridge regression on classes for many penalties at once, with exact leave-one-out errors.

One pass over the samples gives the sufficient statistics, from whose eigendecomposition come the solutions of all
penalties. With centred features x = U S Vᵀ and targets Y (1 for a sample's class and -1 for the others, centred) the
hat matrix is H = 11ᵀ/n + U S²/(S² + alpha) Uᵀ, and the error at a sample that was left out is its residual r_i / w_i
with w_i = 1 - H_ii. The mean of their squares takes

- for few classes, all residuals: n · rank · classes · penalties multiplications;
- for many, weighted sufficient statistics. For fixed weights v_i the sum of v_i r_i² of *every* penalty follows from
  Xᵀ diag(v) X and Xᵀ diag(v) Y, n · dim² multiplications. With v_i = 1 / w_i² at one penalty it is that one's error.
  1 / w_i² falls as the penalty grows, so it also is a lower bound for all smaller penalties, and an upper bound for all
  larger ones. What is proven not to be the least is not computed: of 45 penalties, eight to ten were when tried.

Source: Golub, Heath & Wahba, "Generalized cross-validation", Technometrics 1979; Allen's PRESS, 1974.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from simclr.eval.probes.prediction import Linear
from simclr.eval.subject.rows import Matrix, labelled_tiles, tiles

TOGETHER = 9
# Bounds are used with so many samples a dimension, where no sample pulls the fit to itself, ...
SAMPLES_A_DIMENSION = 8
# ... and where residuals would take so many times the multiplications of one weighted pass.
PASSES = 10


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


@dataclass(frozen=True)
class RidgeStatistics:
    """All that solutions depend on.

    Attributes:
        n: samples.
        shares: of each class among them, (K,) float64.
        axes: V, (dim, r) float64.
        squares: S², (r,) float64.
        cross: S Uᵀ Y, (r, K) float64.
    """

    n: int
    shares: Tensor
    axes: Tensor
    squares: Tensor
    cross: Tensor

    def shrink(self, alphas: Tensor) -> Tensor:
        """1 / (S² + alpha), (a, r)."""
        return 1.0 / (self.squares + alphas[:, None])

    def solve(self, alpha: float) -> Linear:
        """The solution of one penalty."""
        inner = self.cross / (self.squares + alpha)[:, None]
        return Linear(self.axes @ inner, 2 * self.shares - 1)


class LeaveOneOut(NamedTuple):
    """Mean squared errors of samples that are left out, (a,) float64, and which ones are exact, (a,) bool.

    The others are lower bounds, and larger than the least of the exact ones.
    """

    errors: Tensor
    exact: Tensor


def ridge_statistics(x: Matrix, y: Tensor, num_classes: int) -> RidgeStatistics:
    """Sufficient statistics of ridge regression with an unpenalised intercept, in one pass.

    Args:
        x: centred features, (n, dim) float64.
        y: classes, (n,) int64, 0 <= y < num_classes.
        num_classes: K.
    """
    n, dim = x.shape
    sums = torch.zeros(num_classes, dim, dtype=torch.float64)
    moments = torch.zeros(dim, dim, dtype=torch.float64) if n > dim else None
    for tile, mine in labelled_tiles(x, y):
        sums.index_add_(0, mine, tile)
        if moments is not None:
            moments.addmm_(tile.T, tile)
    if moments is None:
        _, axes, squares = principal_axes(torch.cat(list(tiles(x))))
    else:
        squares, axes = torch.linalg.eigh(moments)
        squares.clamp_min_(0)
    shares = y.bincount(minlength=num_classes).double() / n
    return RidgeStatistics(n, shares, axes, squares, axes.T @ _centred(sums, shares).T)


def leave_one_out(known: RidgeStatistics, x: Matrix, y: Tensor, alphas: Tensor) -> LeaveOneOut:
    """Leave-one-out errors of ridge regression, exact as far as it takes to know the least.

    Args:
        known: of these samples.
        x, y: as in :func:`ridge_statistics`.
        alphas: penalties, (a,) float64, positive, ascending.
    """
    rank, num_classes = known.cross.shape
    many = num_classes * len(alphas) > PASSES * rank
    if many and known.n >= SAMPLES_A_DIMENSION * rank:
        return _bounded(known, x, y, alphas)
    inner = known.shrink(alphas)[:, :, None] * known.cross
    errors = torch.zeros(len(alphas), dtype=torch.float64)
    for tile, mine in labelled_tiles(x, y, TOGETHER * num_classes):
        scaled = tile @ known.axes
        kept = _kept(known, scaled, alphas)
        targets = 2 * (torch.nn.functional.one_hot(mine, num_classes) - known.shares)
        # Some penalties in one product: many times faster than each alone.
        for first in range(0, len(alphas), TOGETHER):
            some = slice(first, first + TOGETHER)
            predicted = (scaled @ inner[some].permute(1, 0, 2).flatten(1)).view(len(tile), -1, num_classes)
            left_out = (targets[:, None] - predicted) / kept[:, some, None]
            errors[some] += left_out.square_().sum((0, 2))
    return LeaveOneOut(errors / (known.n * num_classes), torch.ones(len(alphas), dtype=torch.bool))


def _bounded(known: RidgeStatistics, x: Matrix, y: Tensor, alphas: Tensor) -> LeaveOneOut:
    """By weighted statistics, until all penalties but computed ones are known to be worse than one of these."""
    # Filled in: pieces that stay between tiles that go would leave holes in the memory, as large as the tiles.
    kept, done = torch.empty(known.n, len(alphas), dtype=torch.float64), 0
    for tile in tiles(x):
        kept[done : done + len(tile)] = _kept(known, tile @ known.axes, alphas)
        done += len(tile)
    pairs, shrink = known.cross @ known.cross.T, known.shrink(alphas)
    norms = 4 * (1 - 2 * known.shares + known.shares.square().sum())

    def sums(weights: Tensor | None) -> Tensor:
        """Weighted sum of squared residuals of each penalty."""
        if weights is None:
            moments, cross, squares = known.squares.diag(), known.cross, known.n * (known.shares * norms).sum()
        else:
            dim = x.shape[1]
            moments, by_class = (torch.zeros(k, dim, dtype=torch.float64) for k in (dim, len(norms)))
            first = 0
            for tile, mine in labelled_tiles(x, y):
                weighted = tile * weights[first : first + len(tile), None]
                moments.addmm_(weighted.T, tile)
                by_class.index_add_(0, mine, weighted)
                first += len(tile)
            moments = known.axes.T @ moments @ known.axes
            cross, squares = known.axes.T @ _centred(by_class, known.shares).T, (weights * norms[y]).sum()
        fitted = ((shrink @ (moments * pairs)) * shrink).sum(1)
        return squares - 2 * shrink @ (known.cross * cross).sum(1) + fitted

    # 1 / w_i² lies between 1 and its largest.
    lower = sums(None)
    upper = lower * kept.amin(0).square().reciprocal()
    exact = torch.zeros(len(alphas), dtype=torch.bool)
    while len(open_ := torch.nonzero(~exact & (lower < upper.min())).flatten()):
        i = int(open_[len(open_) // 2])
        found = sums(kept[:, i].square().reciprocal())
        lower[:i] = torch.maximum(lower[:i], found[:i])
        upper[i + 1 :] = torch.minimum(upper[i + 1 :], found[i + 1 :])
        lower[i] = upper[i] = found[i]
        exact[i] = True
    return LeaveOneOut(lower / (known.n * len(norms)), exact)


def _kept(known: RidgeStatistics, scaled: Tensor, alphas: Tensor) -> Tensor:
    """1 - H_ii of samples in their principal axes (b, r), for each penalty: (b, a)."""
    return 1.0 - 1.0 / known.n - scaled.square() @ known.shrink(alphas).T


def _centred(sums: Tensor, shares: Tensor) -> Tensor:
    """Σ of x_i (y_i)ᵀ for centred targets, from the sums of each class's x: (K, dim)."""
    return 2 * (sums - shares[:, None] * sums.sum(0))
