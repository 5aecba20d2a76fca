"""The last layer of a prototype network, alone: a convex problem, solved to its end."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

MOST_STEPS = 2000


class LastLayer(NamedTuple):
    """Weights (classes, P) float64 on the CPU, and whether the solver came to its end."""

    weight: Tensor
    converged: bool


def last_layer_cost(
    weight: Tensor, similarities: Tensor, labels: Tensor, own: Tensor, sparsity: float, ridge: float
) -> Tensor:
    """Cross entropy + sparsity·Σ|w| over prototypes of other classes + ridge/2·(Σ(w − 1)² of own + Σw² of others).

    The paper has no ridge. Without it, weights of own classes would grow for ever where the classes can be separated;
    with it there is one solution, whatever it is looked for from.

    Args:
        weight: w, (classes, P).
        similarities: (n, P).
        labels: (n,) int64.
        own: whether a prototype is of a class, (classes, P).
        sparsity, ridge: ≥ 0.

    Source: Chen et al., "This looks like that", NeurIPS 2019, section 2.2, "convex optimization of last layer".
    """
    entropy = torch.nn.functional.cross_entropy(similarities @ weight.T, labels)
    pulled = (weight - own.to(weight.dtype)).square().sum()
    return entropy + sparsity * weight[~own].abs().sum() + ridge / 2 * pulled


def solve_last_layer(
    similarities: Tensor, labels: Tensor, own: Tensor, *, sparsity: float = 1e-4, ridge: float = 1e-2
) -> LastLayer:
    """The minimum of `last_layer_cost`, in float64, the same for the same input.

    Args:
        similarities: (n, P), any float type and device.
        labels: (n,) int64.
        own: (classes, P) bool.
        sparsity: ≥ 0.
        ridge: above 0.
    """
    a = similarities.detach().double().cpu().numpy()
    y, mine = labels.cpu().numpy(), own.cpu().numpy()
    n, places = len(a), np.flatnonzero(~mine)
    target = mine.astype(np.float64)

    def joined(x: np.ndarray) -> np.ndarray:
        """Weights, of which those of other classes are a difference of two parts ≥ 0: |w| is smooth in these."""
        weight = x[: mine.size].reshape(mine.shape).copy()
        weight.reshape(-1)[places] -= x[mine.size :]
        return weight

    def cost(x: np.ndarray) -> tuple[float, np.ndarray]:
        weight = joined(x)
        points = a @ weight.T
        points -= points.max(1, keepdims=True)
        shares = np.exp(points)
        total = shares.sum(1, keepdims=True)
        entropy = float((np.log(total[:, 0]) - points[np.arange(n), y]).mean())
        shares /= total
        shares[np.arange(n), y] -= 1
        away = weight - target
        slope = (shares.T @ a / n + ridge * away).reshape(-1)
        both = x[: mine.size][places].sum() + x[mine.size :].sum()
        up = slope.copy()
        up[places] += sparsity
        value = entropy + sparsity * both + ridge / 2 * float((away**2).sum())
        return value, np.concatenate([up, sparsity - slope[places]])

    bounds = np.full((mine.size + len(places), 2), (-np.inf, np.inf))
    bounds[places, 0], bounds[mine.size :, 0] = 0, 0
    begin = np.concatenate([target.reshape(-1), np.zeros(len(places))])
    options = {"maxiter": MOST_STEPS, "maxfun": 2 * MOST_STEPS, "ftol": 1e-15, "gtol": 1e-6, "maxcor": 30}
    found = minimize(cost, begin, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return LastLayer(torch.from_numpy(joined(found.x)), bool(found.success))
