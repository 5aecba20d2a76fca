"""How noisy the bands of a scene are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from simclr.augment.checks import counted
from simclr.data.moments import moments_of
from simclr.data.preprocess import Preprocess
from simclr.data.scenes.neighbour_noise import calm_covariance, neighbour_differences
from simclr.data.scenes.scene import SceneSource
from simclr.errors import InputError


def noise_of_bands(covariance: Tensor) -> Tensor:
    """Standard deviation of each band's noise: what a linear regression on all other bands leaves over.

    Signal is shared by the bands, noise is not.

    Args:
        covariance: (C, C) of the bands over many pixels.

    Returns:
        (C,) float64.

    Source: Bioucas-Dias and Nascimento, "Hyperspectral subspace identification", TGRS 2008, section II-A, here by the
    inverse of the covariance: the residual's variance is 1 / (inverse)_cc.
    """
    covariance = covariance.double()
    variance = covariance.diagonal().clamp(min=torch.finfo(torch.float64).tiny)
    scale = variance.sqrt()
    # In units of each band's spread; the ridge keeps bands that repeat each other apart.
    correlation = covariance / torch.outer(scale, scale) + 1e-10 * torch.eye(len(covariance), dtype=torch.float64)
    return scale / torch.linalg.inv(correlation).diagonal().sqrt()


def noise_in_units(
    scene: SceneSource,
    preprocess: Preprocess,
    snr: float | Sequence[float] | Literal["estimate", "neighbours"],
    key: str = "augment.noise.snr",
    *,
    of_components: bool = False,
) -> list[float]:
    """Standard deviation of the noise of a pixel (of a cell, if pooled) in each good band, in working units.

    Args:
        scene: raw.
        preprocess: fitted on it; noise in a cell's mean is less by its side.
        snr: mean over noise of the raw values, one for all bands or one for each; or ``estimate``: the noise that the
            scene has, see :func:`noise_of_bands`; or ``neighbours``: that by which its pixels differ from calm
            neighbours, see `simclr.data.scenes.neighbour_noise`, which holds the variety of the ground, too.
        key: of the recipe, which the error names.
        of_components: in each component that the preprocessing gives instead.

    Raises:
        InputError: if there is not one ``snr`` a band.
    """
    if of_components:
        if snr != "neighbours":
            raise InputError(f"{key} is {snr}, but views are of components: set {key}=neighbours, or give sd")
        components = preprocess.scene(scene).mapped(lambda cube: cube[:, : preprocess.components])
        components.no_data = scene.no_data
        return [float(value) for value in calm_covariance(neighbour_differences(components)).diagonal().sqrt()]
    covariance = _noise_covariance(scene, snr, key)
    edges = torch.stack([torch.zeros(scene.in_chans), torch.ones(scene.in_chans)]).to(scene.cube)
    low, high = preprocess.to_units(edges[:, :, None, None]).flatten(1).double().cpu()
    scale = (high - low) / preprocess.pool
    return [float(value) for value in (covariance.diagonal().sqrt() * scale)[scene.good_bands]]


def _noise_covariance(scene: SceneSource, snr: float | Sequence[float] | str, key: str) -> Tensor:
    """Of a raw pixel's noise, (C, C) float64; diagonal unless neighbours say more."""
    if snr == "neighbours":
        return calm_covariance(neighbour_differences(scene))
    moments = moments_of(scene, covariance=snr == "estimate")
    good = scene.good_bands
    if snr == "estimate":
        sd = torch.zeros(scene.in_chans, dtype=torch.float64)
        sd[good] = noise_of_bands((moments.scatter / moments.count)[good][:, good])
        return torch.diag(sd.square())
    ratio = torch.as_tensor(snr, dtype=torch.float64).flatten()
    if len(ratio) not in (1, scene.in_chans):
        raise InputError(
            f"{key} has {counted(len(ratio), 'value')}, but the scene has "
            f"{counted(scene.in_chans, 'band')}: give 1" + (", or one for each" if scene.in_chans > 1 else "")
        )
    sd = moments.mean.abs() / ratio
    # A band that is the same everywhere is in no units that noise could be measured in.
    return torch.diag(sd.where(moments.variance.sqrt() > 1e-7 * moments.mean.abs(), 0).square())
