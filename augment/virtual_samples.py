"""More labelled samples out of few: mixtures of two samples of one class, with noise."""

from __future__ import annotations

import torch
from torch import Tensor

from simclr.augment import checks
from simclr.augment.base import check_images, per_sample


def virtual_sample(first: Tensor, second: Tensor, alpha: Tensor, beta: float, noise: Tensor) -> Tensor:
    """alpha * first + (1 - alpha) * second + beta * noise.

    Args:
        first, second: (B, C, H, W), of the same class row by row.
        alpha: (B,) share of ``first``, 0..1.
        beta: weight of the noise, in the units of the samples.
        noise: (B, C, H, W), standard normal.

    Source: Chen et al., "Deep feature extraction and classification of hyperspectral images based on convolutional
    neural networks", TGRS 2016, eq. 11 (mixture-based virtual samples).
    """
    share = per_sample(alpha, first)
    return share * first + (1.0 - share) * second + beta * noise.to(first.dtype)


def same_class_pairs(labels: Tensor, count: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """``count`` pairs of rows of one class: the first uniform over rows, the second over the rows of its class.

    Args:
        labels: (N,) class of each row, any integers.
        count: number of pairs.
        generator: on the CPU; torch's global one if None.

    Returns:
        first, second: (count,) int64. In a class of one row both are that row.

    Raises:
        ValueError: if there are no rows.
    """
    if len(labels) == 0:
        raise ValueError("there are no labelled samples to mix: give at least one.")
    labels = labels.cpu()
    order = torch.argsort(labels, stable=True)
    _, row_class, sizes = torch.unique(labels, return_inverse=True, return_counts=True)
    starts = sizes.cumsum(0) - sizes
    first = torch.randint(len(labels), (count,), generator=generator)
    own = row_class[first]
    place = (torch.rand(count, generator=generator, dtype=torch.float64) * sizes[own]).long()
    return first, order[starts[own] + place]


def virtual_samples(
    x: Tensor, labels: Tensor, count: int, *, beta: float = 0.04, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """``count`` virtual samples for fine-tuning, each a mixture of two samples of one class plus noise.

    Args:
        x: (N, C, H, W) labelled samples, floating point.
        labels: (N,) class of each.
        count: number of virtual samples.
        beta: weight of the standard normal noise, in the units of ``x``.
        generator: on the CPU; torch's global one if None.

    Returns:
        (count, C, H, W) samples on the device of ``x`` and their (count,) labels on that of ``labels``. The shares are
        uniform in 0..1.

    Raises:
        ValueError: if there are no rows, ``labels`` are not one for each, or ``count`` or ``beta`` is below 0.

    Example:
        >>> more, classes = virtual_samples(torch.rand(6, 30, 9, 9), torch.tensor([0, 0, 0, 1, 1, 1]), 100)
    """
    check_images("x", x, (4,))
    if not isinstance(labels, Tensor) or labels.shape != x.shape[:1] or labels.is_floating_point():
        raise ValueError(f"labels are {checks.shown(labels)}, but must be integers, one for each of {len(x)} samples.")
    count, beta = checks.integer("count", count, 0), checks.number("beta", beta, low=0.0)
    first, second = same_class_pairs(labels, count, generator)
    alpha = torch.rand(count, generator=generator)
    noise = torch.randn((count, *x.shape[1:]), generator=generator)
    rows, others = first.to(x.device), second.to(x.device)
    mixed = virtual_sample(x[rows], x[others], alpha.to(x.device), beta, noise.to(x.device))
    return mixed, labels[first.to(labels.device)]
