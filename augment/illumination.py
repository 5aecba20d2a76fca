"""Changed brightness of the light on a scene, at random."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from simclr.augment import checks
from simclr.augment.band_affine import BandAffine, BandOperation
from simclr.augment.needs import Need
from simclr.augment.noise import constants

# e to this is more light than between a shadow and the sun.
MOST_GAIN = 20.0


class RandomIllumination(BandOperation):
    """All that is measured times exp(g), with one g a sample uniform in ±``gain``, with probability ``p``.

    Twice the light gives twice the radiance in every band. In units that were shifted, as standardised ones are, that
    is a multiplication around what no radiance has become there: ``zero + exp(g) (x - zero)``.

    Args:
        gain: greatest logarithm of the factor: 0.3 is 0.74 to 1.35 times the light.
        zero: what a radiance of 0 is in the units of the input; one for all bands, or one for each; NaN for what the
            light does not change, such as a ratio of bands. A recipe takes it from the scene.
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if ``gain`` is negative or above 20, or ``p`` no probability; at the call, if there is not one
            ``zero`` a band.
    """

    needs = frozenset({Need.ZERO})

    def __init__(
        self, gain: float = 0.3, zero: float | Sequence[float] = 0.0, p: float = 1.0, keepdim: bool = False
    ) -> None:
        each = cast(Sequence[float], zero if checks.is_list(zero) else (zero,))
        if not each:
            raise ValueError("zero is an empty list, but must be a number, or one for each band.")
        gain = checks.number("gain", gain, low=0.0)
        if gain > MOST_GAIN:
            raise ValueError(f"gain is {gain:g}, but must be at most {MOST_GAIN:g}: it is a logarithm.")
        super().__init__(p, keepdim, gain=gain, zero=tuple(_number(value, of_many=len(each) > 1) for value in each))

    def describe(self) -> str:
        return f"gain={self.flags['gain']:g}, p={self.p}"

    def check_bands(self, bands: int) -> None:
        given = len(self.flags["zero"])
        if given not in (1, bands):
            raise ValueError(
                f"zero has {checks.counted(given, 'value')}, but the samples have {checks.counted(bands, 'band')}: "
                f"give 1" + (f", or {bands}." if bands > 1 else ".")
            )

    def draws(self, shape: Sequence[int]) -> int:
        return 1

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        self.check_bands(shape[1])
        return {"factor": torch.exp(self.flags["gain"] * (2 * u[:, 0] - 1))}

    def affine(self, parameters: dict[str, Tensor]) -> BandAffine:
        factor = parameters["factor"].unsqueeze(1)
        zero = constants(self.flags["zero"], factor.dtype, factor.device)
        changed = ~zero.isnan()
        return BandAffine(torch.where(changed, factor, 1.0), torch.where(changed, zero * (1 - factor), 0.0))


def _number(value: float, of_many: bool) -> float:
    unchanged = of_many and isinstance(value, float) and math.isnan(value)
    return value if unchanged else checks.number("zero", value)
