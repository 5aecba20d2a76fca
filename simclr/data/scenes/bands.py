"""What is said about the bands of a scene: their wavelengths, and which are bad."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from simclr.augment.checks import counted
from simclr.augment.spectral_axis import check_wavelengths
from simclr.errors import InputError


def wavelengths_of(given: Sequence[float], bands: int) -> tuple[float, ...]:
    """Wavelengths in nm of all bands, from a list of them or from [first, last].

    Raises:
        InputError: if their number does not fit, they do not ascend, or they look like micrometres.
    """
    if len(given) not in (2, bands):
        raise InputError(
            f"data.wavelengths has {counted(len(given), 'value')}, but the scene has {counted(bands, 'band')}: give "
            f"{bands}, or [first, last]"
        )
    try:
        check_wavelengths(given)
    except ValueError as error:
        raise InputError(f"data.{error}") from None
    if max(given) < 100:
        raise InputError(f"data.wavelengths ends at {max(given):g}, which looks like micrometres: give nanometres")
    if len(given) == bands:
        return tuple(float(value) for value in given)
    return tuple(torch.linspace(given[0], given[1], bands, dtype=torch.float64).tolist())


def band_numbers(given: Sequence[int | Sequence[int]], bands: int) -> tuple[int, ...]:
    """Numbers of bands, ascending, from numbers and ranges [first, last] (both ends belong to it).

    Raises:
        InputError: if one lies outside 0..bands-1, a range runs backwards, or no band is left over.
    """
    numbers: set[int] = set()
    for entry in given:
        first, last = entry if isinstance(entry, Sequence) else (entry, entry)
        if first > last and last >= 0 and first < bands:
            raise InputError(f"data.bad_bands has [{first}, {last}], which runs backwards: write [{last}, {first}]")
        if not 0 <= first <= last < bands:
            shown = first if first == last else f"[{first}, {last}]"
            raise InputError(f"data.bad_bands names {shown}, but the bands are 0 to {bands - 1}: give some of those")
        numbers.update(range(first, last + 1))
    if len(numbers) == bands:
        raise InputError(f"data.bad_bands names all {bands} bands: leave some good ones")
    return tuple(sorted(numbers))


def put_back(x: Tensor, good: Sequence[int], bands: int) -> Tensor:
    """(B, good, H, W) in their places among ``bands``, with 0 in the others: (B, bands, H, W)."""
    whole = x.new_zeros(len(x), bands, *x.shape[2:])
    return whole.index_copy_(1, _places(tuple(good), x.device), x)


@cache
def _places(good: tuple[int, ...], device: torch.device) -> Tensor:
    """Numbers of bands on a device: sent there once, as a GPU would be waited for each time."""
    return torch.tensor(good, device=device)
