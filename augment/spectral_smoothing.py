"""Spectra smoothed along the spectral axis, at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from simclr.augment import checks
from simclr.augment.base import IntensityOperation
from simclr.augment.needs import Need
from simclr.augment.resample import compute_dtype
from simclr.augment.spectral_axis import SpectralAxis


def smoothing_matrix(sigma: Tensor, positions: Tensor, runs: Tensor) -> Tensor:
    """Gaussian weights between the bands of a run, by their distance on the axis.

    Args:
        sigma: (B,) standard deviations in the unit of ``positions``, positive.
        positions: (C,) of the bands.
        runs: (C,) int64: bands with different numbers are not mixed.

    Returns:
        (B, C, C) in the dtype of ``sigma``; rows sum to 1.
    """
    distance = (positions[:, None] - positions).to(sigma.dtype)
    weight = torch.exp(-0.5 * (distance / sigma[:, None, None]).square())
    # Denormal weights, which count for nothing, make a CPU's matrix product four times slower.
    weight = weight * ((runs[:, None] == runs) & (weight > 1e-20))
    return weight / weight.sum(-1, keepdim=True)


def spectral_smoothing(x: Tensor, sigma: Tensor, positions: Tensor, runs: Tensor) -> Tensor:
    """Every pixel's spectrum smoothed by a Gaussian, ``sigma`` (B,) wide; see :func:`smoothing_matrix`.

    Args:
        x: (B, C, H, W), floating point.

    Returns:
        (B, C, H, W) in the dtype of ``x``.
    """
    dtype = compute_dtype(x)
    matrix = smoothing_matrix(sigma.to(dtype), positions, runs)
    return (matrix @ x.to(dtype).flatten(2)).unflatten(2, x.shape[2:]).to(x.dtype)


class RandomSpectralSmoothing(IntensityOperation):
    """Every spectrum smoothed by a Gaussian of random width, with probability ``p``: a coarser instrument.

    Args:
        sigma: range of the standard deviation, uniform: in nm with ``wavelengths``, else in bands.
        wavelengths: of each band, in nm; nothing is smoothed across a gap in them.
        unit: of ``wavelengths``; "bands" where they are numbers of bands of which some are left out.
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if ``sigma`` is not increasing and positive, ``wavelengths`` do not ascend or ``p`` is no
            probability; at the call, if there is not one wavelength a band; from ``check_bands`` also if the spectrum
            is shorter than ``sigma``.
    """

    needs = frozenset({Need.WAVELENGTHS})

    def __init__(
        self,
        sigma: Sequence[float] = (0.5, 2.0),
        wavelengths: Sequence[float] | None = None,
        unit: str = "nm",
        p: float = 0.5,
        keepdim: bool = False,
    ) -> None:
        self.axis = SpectralAxis(wavelengths, unit)
        super().__init__(p, keepdim, sigma=checks.interval("sigma", sigma, 0.0, float("inf"), open_low=True))

    def describe(self) -> str:
        low, high = self.flags["sigma"]
        return f"sigma={low:g}..{high:g} {self.axis}, p={self.p}"

    def check_bands(self, bands: int) -> None:
        self.axis.check_reach("sigma", self.flags["sigma"][1], bands)

    def note(self, parameters: dict[str, Tensor], row: int) -> dict[str, Any]:
        return {f"sigma_{self.axis.unit}": float(f"{parameters['sigma'][row]:.4g}")}

    def draws(self, shape: Sequence[int]) -> int:
        return 1

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        low, high = self.flags["sigma"]
        return {"sigma": low + (high - low) * u[:, 0]}

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        return spectral_smoothing(x, parameters["sigma"], *self.axis.on(x.shape[1], x.device))
