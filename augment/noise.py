"""Noise, white or shaped by band, at random."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import torch
from torch import Tensor

from simclr.augment import checks
from simclr.augment.band_affine import BandAffine, BandNoise, BandOperation
from simclr.augment.base import Drawn
from simclr.augment.needs import Need
from simclr.augment.noise_field import noise_draws


class RandomNoise(BandOperation):
    """x + sd * n, with n standard normal for each pixel and band, with probability ``p``.

    Args:
        sd: standard deviation of the noise, in the units of the input; one for all bands, or one for each, so that
            noise takes the shape of an instrument's (a recipe's ``snr``).
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if ``sd`` is negative or ``p`` no probability; at the call, if there is not one ``sd`` a band.
    """

    needs = frozenset({Need.BAND_NOISE})

    def __init__(self, sd: float | Sequence[float] = 0.05, p: float = 0.5, keepdim: bool = False) -> None:
        each = cast(Sequence[float], sd if checks.is_list(sd) else (sd,))
        if not each:
            raise ValueError("sd is an empty list, but must be a number, or one for each band.")
        super().__init__(p, keepdim, sd=tuple(checks.number("sd", value, low=0.0) for value in each))

    def describe(self) -> str:
        sd = self.flags["sd"]
        shown = f"{sd[0]:g}" if len(sd) == 1 else f"{min(sd):.3g}..{max(sd):.3g} by band"
        return f"sd={shown}, p={self.p}"

    def check_bands(self, bands: int) -> None:
        if len(self.flags["sd"]) not in (1, bands):
            raise ValueError(
                f"sd has {checks.counted(len(self.flags['sd']), 'value')}, but the samples have "
                f"{checks.counted(bands, 'band')}: give 1" + (f", or {bands}." if bands > 1 else ".")
            )

    def draws(self, shape: Sequence[int]) -> int:
        return noise_draws(shape[1:])

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        self.check_bands(shape[1])
        return {"runs": u}

    def work_key(self, drawn: Drawn) -> Tensor | None:
        return None if self.p in (0.0, 1.0) else drawn.applied

    def affine(self, parameters: dict[str, Tensor]) -> BandAffine:
        runs = parameters["runs"]
        one = runs.new_ones(len(runs), 1)
        sd = constants(self.flags["sd"], runs.dtype, runs.device)
        return BandAffine(one, None, (BandNoise(runs, sd.expand(len(runs), -1), one[:, 0] > 0),))


@lru_cache(maxsize=64)
def constants(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Numbers as a tensor (n,), kept on the device, for a copy to it would wait for the device."""
    return torch.tensor(values, dtype=dtype, device=device)
