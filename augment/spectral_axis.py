"""Where the bands lie on the spectral axis, and where that axis is broken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

GAP = 2.5
"""A step from one band to the next of more than so many median steps is a gap, such as the absorption by water."""


def check_wavelengths(wavelengths: Sequence[float]) -> tuple[float, ...]:
    """The wavelengths as floats, if they are finite, not negative, and mostly ascend.

    The spectrometers of one instrument may overlap, so a step backwards is allowed; a descending list is not.

    Raises:
        ValueError: otherwise.
    """
    values = tuple(float(value) for value in wavelengths)
    if not values or not all(math.isfinite(value) and value >= 0.0 for value in values):
        raise ValueError("wavelengths must be finite positive numbers, in nm: one for each band.")
    if len(values) > 1 and float(torch.tensor(values, dtype=torch.float64).diff().median()) <= 0.0:
        raise ValueError(f"wavelengths go from {values[0]:g} to {values[-1]:g}, but must ascend: reverse the bands.")
    return values


def segments(positions: Tensor) -> Tensor:
    """Runs of bands without a gap between them.

    A run ends where the next band is further than ``GAP`` median steps, or lies not further along the axis at all.

    Args:
        positions: (C,) wavelengths, or other positions of the bands.

    Returns:
        (C,) int64, the number of each band's run, from 0.
    """
    if len(positions) < 2:
        return torch.zeros(len(positions), dtype=torch.int64)
    step = positions.diff()
    ends = (step > GAP * step.median()) | (step <= 0)
    return torch.cat((torch.zeros(1, dtype=torch.int64), ends.long().cumsum(0)))


class SpectralAxis:
    """Positions and runs of the bands that a spectral operation works on.

    Args:
        wavelengths: of each band in nm, or None to count the bands.
    """

    def __init__(self, wavelengths: Sequence[float] | None) -> None:
        self.wavelengths = None if wavelengths is None else check_wavelengths(wavelengths)

    def check_bands(self, bands: int) -> None:
        """Raise a ValueError if there is not one wavelength a band."""
        if self.wavelengths is not None and len(self.wavelengths) != bands:
            raise ValueError(f"there are {len(self.wavelengths)} wavelengths, but {bands} bands: give one for each.")

    def on(self, bands: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Positions (C,) float64 and runs (C,) int64 of so many bands."""
        self.check_bands(bands)
        return _on_device(self.wavelengths or tuple(float(band) for band in range(bands)), device)

    def __str__(self) -> str:
        if self.wavelengths is None:
            return "in bands"
        return f"in nm ({len(self.wavelengths)} bands, {self.wavelengths[0]:g} to {self.wavelengths[-1]:g} nm)"


@lru_cache(maxsize=64)
def _on_device(positions: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Kept on the device, for a copy to it would wait for the device."""
    place = torch.tensor(positions, dtype=torch.float64)
    return place.to(device), segments(place).to(device)
