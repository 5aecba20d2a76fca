"""Spectra moved along the spectral axis, at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from simclr.augment import checks
from simclr.augment.base import IntensityOperation
from simclr.augment.needs import Need
from simclr.augment.spectral_axis import SpectralAxis


def spectral_shift(x: Tensor, shift: Tensor, positions: Tensor, runs: Tensor) -> Tensor:
    """Each spectrum read ``shift`` further along the axis, by linear interpolation between the bands of a run.

    Beyond the ends of a run the value of its last band goes on, so nothing is mixed across a gap.

    Args:
        x: (B, C, H, W).
        shift: (B,) in the unit of ``positions``.
        positions: (C,) float64 of the bands, ascending in each run.
        runs: (C,) int64, ascending: bands with the same number belong together.

    Returns:
        (B, C, H, W): band c holds the spectrum's value at ``positions[c] + shift``.
    """
    bands = len(positions)
    # The runs are laid end to end with room between them, so that one search finds the place in all of them.
    line = positions + runs * (2.0 * (positions.max() - positions.min()) + 1.0)
    first, last = torch.searchsorted(runs, runs), torch.searchsorted(runs, runs, right=True) - 1
    target = torch.minimum(torch.maximum(line + shift.to(positions.dtype)[:, None], line[first]), line[last])
    left = (torch.searchsorted(line, target, right=True) - 1).clamp(0, max(0, bands - 2))
    right = (left + 1).clamp(max=bands - 1)
    weight = ((target - line[left]) / (line[right] - line[left]).clamp(min=1e-9)).to(x.dtype)[:, :, None, None]
    sample = torch.arange(len(x), device=x.device)[:, None]
    return torch.lerp(x[sample, left], x[sample, right], weight)


class RandomSpectralShift(IntensityOperation):
    """The spectrum moved along its axis by the same amount in all pixels, with probability ``p``.

    Instruments differ and drift by a part of a band's width. By a shift of +5 nm, the band at 600 nm gets what was at
    605 nm: positive shifts move features to shorter wavelengths, negative ones to longer.

    Args:
        shift: greatest shift in either direction, uniform: in nm with ``wavelengths``, else in bands.
        wavelengths: of each band, in nm; nothing is moved across a gap in them.
        unit: of ``wavelengths``; "bands" where they are numbers of bands of which some are left out.
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if ``shift`` is negative, ``wavelengths`` do not ascend or ``p`` is no probability; at the call, if
            there is not one wavelength a band; from ``check_bands`` also if the spectrum is shorter than ``shift``.
    """

    needs = frozenset({Need.WAVELENGTHS})

    def __init__(
        self,
        shift: float = 1.0,
        wavelengths: Sequence[float] | None = None,
        unit: str = "nm",
        p: float = 0.5,
        keepdim: bool = False,
    ) -> None:
        self.axis = SpectralAxis(wavelengths, unit)
        super().__init__(p, keepdim, shift=checks.number("shift", shift, low=0.0))

    def describe(self) -> str:
        return f"shift=±{self.flags['shift']:g} {self.axis}, p={self.p}"

    def check_bands(self, bands: int) -> None:
        self.axis.check_reach("shift", self.flags["shift"], bands)

    def note(self, parameters: dict[str, Tensor], row: int) -> dict[str, Any]:
        return {f"shift_{self.axis.unit}": float(f"{parameters['shift'][row]:.4g}")}

    def draws(self, shape: Sequence[int]) -> int:
        return 1

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        return {"shift": self.flags["shift"] * (2.0 * u[:, 0] - 1.0)}

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        return spectral_shift(x, parameters["shift"], *self.axis.on(x.shape[1], x.device))
