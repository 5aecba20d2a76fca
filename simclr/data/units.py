"""Units and whitening of bands, from their moments: the numbers that a `Preprocess` is made of, float64."""

from __future__ import annotations

import torch
from torch import Tensor

from simclr.data.moments import Moments
from simclr.data.source import Source
from simclr.errors import InputError

ROUNDING = 1e-7
"""Spread, relative to the mean, that is no more than the rounding of float32."""


def units_of(
    source: Source, normalize: str, moments: Moments, mean: Tensor | None, std: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Offset and scale of the units that augmentations work in: units = (raw - offset) * scale.

    Args:
        source: whose values have a largest one, for "unit"; and whose name an error says.
        normalize: "unit", "standardize", "minmax" or "none", see `simclr.data.preprocess.fit_preprocess`.
        moments: of its pixels.
        mean, std: (C,) for "standardize"; fitted when None.

    Returns:
        (C,) float64 each.

    Raises:
        InputError: if the values do not lie where "unit" has them.
    """
    zeros, ones = torch.zeros_like(moments.mean), torch.ones_like(moments.mean)
    if normalize == "standardize":
        return (
            moments.mean if mean is None else mean,
            1 / (spread_or_one(moments.variance.sqrt(), moments.mean) if std is None else std),
        )
    if normalize == "minmax":
        return moments.low, 1 / spread_or_one(moments.high - moments.low, moments.mean)
    if normalize == "none":
        return zeros, ones
    low, high = float(moments.low.min()), float(moments.high.max())
    top = source.value_max or 1
    if low < 0 or high > top:
        raise InputError(
            f"data.normalize=unit takes integers from 0 or floats from 0 to 1, but {source.name} has values from "
            f"{low:.6g} to {high:.6g}: set data.normalize=standardize or minmax."
        )
    return zeros, ones / top


def whitening_of(moments: Moments, offset: Tensor, scale: Tensor, components: int) -> tuple[Tensor, Tensor]:
    """The map from units to whitened principal components: matrix @ units + bias.

    Args:
        moments: of the raw pixels, with their covariance.
        offset, scale: (C,) of the units.
        components: how many are kept, K; of each, the largest loading is positive.

    Returns:
        matrix (K, C) and bias (K,), float64.

    Raises:
        InputError: if fewer components carry any variance.
    """
    covariance = moments.scatter * torch.outer(scale, scale) / max(1, moments.count - 1)
    values, vectors = torch.linalg.eigh(covariance)
    values, vectors = values.flip(0), vectors.flip(1).T
    usable = int((values > values[0] * 1e-10).sum())
    if components > usable:
        raise InputError(
            f"data.whiten is {components}, but only {usable} components of the bands carry any variance: "
            f"set data.whiten={usable} or less."
        )
    values, vectors = values[:components], vectors[:components]
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    matrix = vectors * largest.sign() / values.sqrt()[:, None]
    return matrix, -matrix @ ((moments.mean - offset) * scale)


def check_spread(moments: Moments, name: str) -> None:
    """Makes sure that there is something to learn, which 32-bit floats tell apart.

    Raises:
        InputError: values that are NaN, infinite, all equal, or closer together or further apart than float32 takes.
    """
    low, high = moments.low, moments.high
    if not bool(low.isfinite().all() and high.isfinite().all()):
        raise InputError(f"{name} holds NaN or infinity: replace such values before loading.")
    if bool((high - low > torch.finfo(torch.float32).max).any()):
        raise InputError(f"{name} has values from {float(low.min()):.4g} to {float(high.max()):.4g}: divide them.")
    if bool((low == high).all()):
        values = f"the value {float(low[0]):.6g}" if len(low.unique()) == 1 else "one value a band"
        raise InputError(f"{name} holds nothing but {values}: there is nothing to learn from it, check the file.")
    spread = moments.variance.sqrt()
    close = (spread > 0) & (spread < 10 * torch.finfo(torch.float32).tiny)
    if bool(close.any()):
        band = int(close.nonzero()[0])
        raise InputError(
            f"{name} has values that differ by {float(spread[band]):.4g} only, too little for 32-bit floats: multiply "
            f"them by a power of ten."
        )
    if bool((spread <= ROUNDING * moments.mean.abs()).all()):
        raise InputError(
            f"{name} has values that differ by {float(spread.max()):.4g} around {float(moments.mean[0]):.6g}, which is "
            f"the rounding of 32-bit floats: subtract what they have in common before they are stored."
        )


def spread_or_one(spread: Tensor, mean: Tensor) -> Tensor:
    """The spread of each band, (C,), but 1 where it is that of rounding: such a band is left unscaled."""
    return torch.where(spread > ROUNDING * mean.abs(), spread, torch.ones_like(spread))
