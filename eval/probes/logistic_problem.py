"""The objective of multinomial logistic regression for many L2 penalties at once: value, slope, curvature, bound."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from simclr.eval.probes.ridge_path import principal_axes

# Logits at once: small enough to stay in the processor's cache, large enough for a GPU.
LOGITS_AT_ONCE = {"cpu": 2**19, "other": 2**25}
# So many samples, at even distances, stand for all of them in a preconditioner; up to twice as many are taken.
SOME = 4096


class Problem:
    """The samples in their principal axes, weakest first, with a last feature of ones for the intercept.

    Parameters of a problems are (r + 1, K, a): the problem is the last axis, so that softmax runs over contiguous
    memory. Features lie in memory here; :class:`simclr.eval.probes.logistic_tiles.TiledProblem` reads them.

    Attributes:
        n: samples.
        num_classes: K.
        y: classes, (n,) int64.
        mean: of the features, (dim,).
        axes: the principal axes, (dim, r).
        moments: mean square of each feature, (r + 1,), ascending but for the last, which is 1.
        targets: mean of feature times one-hot class, (r + 1, K).
        stride: every so many-th sample stands for all where a sample of them is enough.
        some: features of these, (s, r + 1) float32.
    """

    def __init__(self, x: Tensor, y: Tensor, num_classes: int) -> None:
        self.n, self.num_classes, self.y = len(x), num_classes, y
        self.mean = x.mean(0)
        scaled, self.axes, squares = principal_axes(x - self.mean)
        self.features = torch.cat([scaled, x.new_ones(self.n, 1)], 1)
        self.features32 = self.features.float()
        self.moments = torch.cat([squares / self.n, x.new_ones(1)])
        one_hot = torch.nn.functional.one_hot(y, num_classes).to(x)
        self.targets = self.features.T @ one_hot / self.n
        self.stride = max(1, self.n // SOME)
        self.some = self.features32[:: self.stride]

    def together(self, most: int) -> int:
        """Problems side by side, at most so many."""
        return most

    def rows(self, problems: int) -> int:
        """Samples at once."""
        kind = "cpu" if self.y.device.type == "cpu" else "other"
        return max(64, LOGITS_AT_ONCE[kind] // (self.num_classes * problems))

    def tiles(self, rows: int, dtype: torch.dtype) -> Iterator[Tensor]:
        """All features, so many samples at once, in the coordinates of :meth:`spread`."""
        return iter((self.features if dtype == torch.float64 else self.features32).split(rows))

    def spread(self, flat: Tensor) -> Tensor:
        """Parameters (r + 1, m) for the features as :meth:`tiles` gives them."""
        return flat

    def gather(self, product: Tensor) -> Tensor:
        """Features times something, summed over the samples as :meth:`tiles` gives them: in the principal axes."""
        return product

    def without_features(self) -> Tensor:
        """No weights, and the intercepts that give every class its share of the samples, (r + 1, K, 1)."""
        w = torch.zeros_like(self.targets)
        w[-1] = self.targets[-1].log() - self.targets[-1].log().mean()
        return w[..., None]

    def inner(self, weights: Tensor, intercepts: Tensor) -> Tensor:
        """(r + 1, K, a) from weights (a, dim, K) and intercepts (a, K) for the features as they were given."""
        return torch.cat(
            [
                torch.einsum("dr,adk->rka", self.axes, weights),
                (intercepts + torch.einsum("d,adk->ak", self.mean, weights)).T[None],
            ]
        )

    def outer(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Weights (a, dim, K) and intercepts (a, K) for the features as they were given, from (r + 1, K, a)."""
        weights = torch.einsum("dr,rka->adk", self.axes, w[:-1])
        return weights, w[-1].T - torch.einsum("d,adk->ak", self.mean, weights)

    def evaluate(self, w: Tensor, ridge: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Objective (a,), gradient (r + 1, K, a), a lower bound of the minimum (a,), probabilities (n, K, a) float32.

        Everything is taken relative to the true class: near-perfect predictions then lose no digits.
        """
        width, classes, problems = w.shape
        flat, rows = self.spread(w.reshape(width, -1)), self.rows(problems)
        loss, entropy = w.new_zeros(problems), w.new_zeros(problems)
        gradient = torch.zeros_like(flat)
        kept = torch.empty(self.n, classes, problems, dtype=torch.float32, device=w.device)
        for x, y, keep in zip(self.tiles(rows, torch.float64), self.y.split(rows), kept.split(rows)):
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
            keep.copy_(p)
            p.scatter_add_(1, truth, p.new_full((1, 1, 1), -1.0).expand_as(truth))
            gradient.addmm_(x.T, p.view(len(x), -1))
        residual = self.gather(gradient).view_as(w) / self.n
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

    def hessian_product(self, v: Tensor, kept: Tensor, first: int, ridge: Tensor) -> Tensor:
        """Hessian times v (r + 1, K, a), for problems ``first`` and on of those whose probabilities were kept.

        The sums run in float32: conjugate gradients need a direction, and the float64 gradient corrects it.
        """
        width, classes, problems = v.shape
        flat, rows = self.spread(v.reshape(width, -1)).float(), self.rows(kept.shape[2])
        product = torch.zeros_like(flat)
        for x, y, p in zip(self.tiles(rows, torch.float32), self.y.split(rows), kept.split(rows)):
            p = p[..., first:]
            u = (x @ flat).view(-1, classes, problems)
            u -= u.gather(1, y[:, None, None].expand(-1, 1, problems))
            u *= p
            u -= p * u.sum(1, keepdim=True)
            product.addmm_(x.T, u.view(len(x), -1))
        result = (self.gather(product.to(v)) / self.n).view_as(v)
        result[:-1] += ridge * v[:-1]
        return result
