"""Maximum mean discrepancy: how far two sets of features lie apart, without a bias, for sets of any two sizes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from simclr.augment.checks import number
from simclr.losses.batch import Argument, everywhere, part_lengths
from simclr.losses.distances import distances, distances_of_pairs, exact_dtype

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Widths of the kernels of MK-MMD, over the median distance."""


def mmd(
    source: Tensor,
    target: Tensor,
    *,
    factors: Sequence[float] = (1.0,),
    weights: Tensor | None = None,
    check: bool = True,
) -> Tensor:
    """Unbiased estimate of the squared MMD of two sets, over all processes: of one Gaussian kernel, or of several.

    The kernel is Σ_u w_u exp(−‖x − y‖² / (2 (f_u σ)²)), with σ the median distance of all samples of both sets, which
    gets no gradient. The estimate has the mean 0 for two sets of one distribution, so it is often below 0.

    Args:
        source: (n, dim), any float type, n ≥ 2 over all processes; computed in float64 where a device has it.
        target: (m, dim), m ≥ 2 over all processes.
        factors: f, one for each kernel; `FACTORS` for MK-MMD.
        weights: w, (kernels,) ≥ 0, as of `kernel_weights`; 1 / kernels if None.
        check: as of `simclr.losses.batch.whole_batch`.

    Returns:
        A scalar; float64 for float64, else float32.

    Raises:
        ValueError: as `simclr.losses.batch.part_lengths`; sets of two widths, or of a single sample.

    Source: Gretton et al., "A kernel two-sample test", JMLR 2012, eq. 3 (estimate), section 8 (median); Tzeng et al.,
        "Deep domain confusion", arXiv 1412.3474 (DDC); Long et al., "Learning transferable features with deep
        adaptation networks", ICML 2015 (DAN, several kernels).
    """
    x, y = both_everywhere(source, target, factors, check=check)
    found = mmd_of_sets(x, y, factors, weights)
    return found.to(torch.promote_types(source.dtype, torch.float32))


def mmd_of_sets(x: Tensor, y: Tensor, factors: Sequence[float], weights: Tensor | None = None) -> Tensor:
    """`mmd` of whole sets, as of `both_everywhere`: a scalar of their dtype."""
    shares = [1 / len(factors)] * len(factors) if weights is None else weights.tolist()
    # Learned weights are mostly 0.
    used = [(share, factor) for share, factor in zip(shares, factors) if share] or [(0.0, factors[0])]
    kernels = gaussian_kernels(torch.cat([x, y]), [factor for _, factor in used])
    weighted = [share * kernel for (share, _), kernel in zip(used, kernels)]
    return unbiased(torch.stack(weighted).sum(0) if len(weighted) > 1 else weighted[0], len(x))


def gaussian_kernels(z: Tensor, factors: Sequence[float]) -> list[Tensor]:
    """exp(−d² / (2 (f σ)²)) of all rows for each factor f; σ is the median distance.

    Args:
        z: (N, dim).
        factors: of the kernels.

    Returns:
        (N, N) of each kernel, in the dtype of ``z``.
    """
    squared = distances(z, z, squared=True)
    variance = _median_squared(squared.detach())
    return [(-squared / (2 * factor**2 * variance)).exp() for factor in factors]


def bandwidth(z: Tensor) -> float:
    """σ of `gaussian_kernels` for these rows, (N, dim): the median distance of all pairs, or 1 where it is 0."""
    return float(_median_squared(distances(z, z, squared=True)).sqrt())


def unbiased(kernel: Tensor, first: int) -> Tensor:
    """Squared MMD of the first rows of a kernel matrix (N, N) against the others; no row is compared with itself.

    Source: Gretton et al., JMLR 2012, eq. 3.
    """
    n, m = first, len(kernel) - first
    within = kernel - torch.diag(kernel.diagonal())
    of_first = within[:n, :n].sum() / (n * (n - 1))
    of_others = within[n:, n:].sum() / (m * (m - 1))
    return of_first + of_others - 2 * kernel[:n, n:].mean()


def kernel_weights(source: Tensor, target: Tensor, factors: Sequence[float] = FACTORS, *, check: bool = True) -> Tensor:
    """Weights of kernels that tell two sets apart best: η over its standard deviation is largest; their sum is 1.

    η is the MMD in linear time, a mean of independent terms h of two samples of each set, and Q their covariance: the
    weights minimise w'(Q + ε)w at w'η = 1, w ≥ 0. Where no kernel sees a difference, it is the one that sees most.

    Args:
        source: (n, dim), any float type, n ≥ 4 over all processes.
        target: (m, dim), m ≥ 4 over all processes; of the larger set, the first samples are taken.
        factors: of the kernels.
        check: as of `simclr.losses.batch.whole_batch`.

    Returns:
        (kernels,) float64 on the CPU, without gradient.

    Source: Gretton et al., "Optimal kernel choice for large-scale two-sample tests", NeurIPS 2012, section 3; Long
        et al., ICML 2015.
    """
    return best_weights(*kernel_moments(*both_everywhere(source, target, factors, check=check), factors))


def kernel_moments(x: Tensor, y: Tensor, factors: Sequence[float]) -> tuple[Tensor, Tensor]:
    """η and Q of `kernel_weights`, of rows in an order that has nothing to do with what they are.

    Args:
        x: (n, dim), n ≥ 4.
        y: (m, dim), m ≥ 4.
        factors: of the kernels.

    Returns:
        (kernels,) and (kernels, kernels) on the device, without gradient.

    Raises:
        ValueError: fewer samples.
    """
    with torch.no_grad():
        variance = _median_squared(distances(torch.cat([x, y]), torch.cat([x, y]), squared=True))
        quads = min(len(x), len(y)) // 2
        if quads < 2:
            raise ValueError("kernel weights need at least four samples of each set")
        a, b, c, d = x[0 : 2 * quads : 2], x[1 : 2 * quads : 2], y[0 : 2 * quads : 2], y[1 : 2 * quads : 2]
        squared = torch.stack([distances_of_pairs(*pair, squared=True) for pair in ((a, b), (c, d), (a, d), (b, c))])
        kernels = torch.stack([(-squared / (2 * factor**2 * variance)).exp() for factor in factors])
        h = kernels[:, 0] + kernels[:, 1] - kernels[:, 2] - kernels[:, 3]
        return h.mean(1), torch.cov(h).reshape(len(h), len(h))


def best_weights(eta: Tensor, covariance: Tensor) -> Tensor:
    """The weights of `kernel_weights`, of the moments that `kernel_moments` gives, of one batch or a mean of several.

    Returns:
        (kernels,) float64 on the CPU.
    """
    seen, q = eta.double().cpu().numpy(), covariance.double().cpu().numpy()
    if not (np.isfinite(seen).all() and np.isfinite(q).all()):  # whatever the weights, so will be the discrepancy
        return torch.full((len(seen),), 1 / len(seen), dtype=torch.float64)
    q = q + max(1e-5 * np.trace(q) / len(seen), 1e-12) * np.eye(len(seen))
    if (seen <= 0).all():
        weights = np.eye(len(seen))[np.argmax(seen / np.sqrt(q.diagonal()))]
    else:
        # On the ray of min w'Qw / 2 − w'η, w ≥ 0, which is a least squares problem.
        root = np.linalg.cholesky(q)
        weights = nnls(root.T, np.linalg.solve(root, seen))[0]
    return torch.from_numpy(weights / weights.sum())


def both_everywhere(
    source: Tensor, target: Tensor, factors: Sequence[float] = (), *, check: bool = True
) -> tuple[Tensor, Tensor]:
    """Both sets of all processes, in `exact_dtype`; arguments and errors as of `mmd`."""
    arguments = [Argument("factors", factor, partial(number, low=1e-6)) for factor in factors]
    sets = []
    for name, rows in (("source", source), ("target", target)):
        nothing = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
        try:
            lengths = part_lengths(rows, nothing, arguments, check=check)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        sets.append(everywhere(rows, lengths).to(exact_dtype(rows)))
        if len(sets[-1]) < 2:
            raise ValueError(f"{name} is a single sample: a discrepancy without a bias needs two of each set")
    x, y = sets
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"source has {x.shape[1]} features, but target has {y.shape[1]}")
    return x, y


def _median_squared(squared: Tensor) -> Tensor:
    """Of the squared distances of all pairs of rows; 1 where it is 0."""
    rows, columns = torch.triu_indices(len(squared), len(squared), 1, device=squared.device)
    median = squared[rows, columns].median()
    return torch.where(median > 0, median, torch.ones_like(median))
