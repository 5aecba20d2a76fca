"""Where the bands lie on the spectral axis, and where that axis is broken."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from simclr.augment import checks

_MOST = 1e9
GAP = 2.5
"""A step from one band to the next of more than so many median steps is a gap, such as the absorption by water."""


def check_wavelengths(wavelengths: Sequence[float]) -> tuple[float, ...]:
    """The wavelengths as floats, if they are finite, not negative, and mostly ascend.

    The spectrometers of one instrument may overlap, so a step backwards is allowed; a descending list is not.

    Raises:
        ValueError: otherwise.
    """
    given = wavelengths.tolist() if hasattr(wavelengths, "tolist") else wavelengths
    listed = list(given) if checks.is_list(given) else []
    wrong = [value for value in listed if not checks.is_number(value) or not 0.0 <= value <= _MOST]
    if wrong or not listed:
        what = "are an empty list" if checks.is_list(given) else f"are {checks.shown(given)}"
        if wrong:
            what = f"hold {wrong[0]:g}" if isinstance(wrong[0], float) else f"hold {checks.shown(wrong[0])}"
        raise ValueError(f"wavelengths {what}, but must be finite positive numbers, in nm: one for each band.")
    values = tuple(float(value) for value in listed)
    if len(values) > 1 and float(torch.tensor(values, dtype=torch.float64).diff().median()) <= 0.0:
        reverse = ": reverse the bands" if values[0] > values[-1] else ""
        raise ValueError(f"wavelengths go from {values[0]:g} to {values[-1]:g}, but must ascend{reverse}.")
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
        wavelengths: of each band, or None to count the bands.
        unit: of ``wavelengths``: "nm", or "bands" where they are the numbers of bands of which some are left out.

    Raises:
        ValueError: if ``wavelengths`` do not ascend, or ``unit`` is neither.
    """

    def __init__(self, wavelengths: Sequence[float] | None, unit: str = "nm") -> None:
        checks.choice("unit", unit, ("nm", "bands"))
        self.wavelengths = None if wavelengths is None else check_wavelengths(wavelengths)
        self.unit = "bands" if wavelengths is None else unit

    def check_bands(self, bands: int) -> None:
        """Raise a ValueError if there is not one wavelength a band."""
        if self.wavelengths is not None and len(self.wavelengths) != bands:
            raise ValueError(
                f"there are {checks.counted(len(self.wavelengths), 'wavelength')}, "
                f"but {checks.counted(bands, 'band')}: give one for each."
            )

    def check_reach(self, name: str, value: float, bands: int) -> None:
        """Raise a ValueError if there is no spectrum, or if it is shorter than ``value``, a length on its axis."""
        self.check_bands(bands)
        if bands < 4:
            raise ValueError(
                f"it works along a spectrum, but the samples have {checks.counted(bands, 'band')}: leave it out."
            )
        places = self.wavelengths or tuple(range(bands))
        reach = max(places) - min(places)
        if value >= reach:
            raise ValueError(
                f"{name} is {value:g} {self.unit}, but the {bands} bands reach from {min(places):g} to {max(places):g} "
                f"{self.unit}: use less than {reach:g}."
            )

    def on(self, bands: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Positions (C,) float64 and runs (C,) int64 of so many bands."""
        self.check_bands(bands)
        return _on_device(self.wavelengths or tuple(float(band) for band in range(bands)), device)

    def __str__(self) -> str:
        if self.wavelengths is None or self.unit == "bands":
            return "bands"
        return f"nm ({len(self.wavelengths)} bands, {self.wavelengths[0]:.4g} to {self.wavelengths[-1]:.4g} nm)"


@lru_cache(maxsize=64)
def _on_device(positions: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Kept on the device, for a copy to it would wait for the device."""
    place = torch.tensor(positions, dtype=torch.float64)
    return place.to(device), segments(place).to(device)
