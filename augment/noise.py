"""Noise, white or shaped by band, at random."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from augment import checks
from augment.addressed import box_muller
from augment.base import IntensityOperation


def noise_draws(shape: Sequence[int]) -> int:
    """Uniforms needed for a standard normal number a pixel and band: their number, made even."""
    values = math.prod(shape[1:])
    return values + values % 2


def noise_field(u: Tensor, shape: Sequence[int]) -> Tensor:
    """(B, C, H, W) standard normal numbers from (B, noise_draws) uniforms."""
    return box_muller(u)[:, : math.prod(shape[1:])].reshape(tuple(shape))


class RandomNoise(IntensityOperation):
    """x + sd * n, with n standard normal for each pixel and band, with probability ``p``.

    Args:
        sd: standard deviation of the noise, in the units of the input; one for all bands, or one for each, so that
            noise takes the shape of an instrument's (a recipe's ``snr``).
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if ``sd`` is negative or ``p`` no probability; at the call, if there is not one ``sd`` a band.
    """

    def __init__(self, sd: float | Sequence[float] = 0.05, p: float = 0.5, keepdim: bool = False) -> None:
        each = sd if isinstance(sd, Sequence) else (sd,)
        super().__init__(p, keepdim, sd=tuple(checks.number("sd", value, low=0.0) for value in each))

    def describe(self) -> str:
        sd = self.flags["sd"]
        shown = f"{sd[0]:g}" if len(sd) == 1 else f"{min(sd):.3g}..{max(sd):.3g} by band"
        return f"sd={shown}, p={self.p}"

    def check_bands(self, bands: int) -> None:
        if len(self.flags["sd"]) not in (1, bands):
            raise ValueError(f"sd has {len(self.flags['sd'])} values, but there are {bands} bands: give 1 or {bands}.")

    def draws(self, shape: Sequence[int]) -> int:
        return noise_draws(shape)

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        self.check_bands(shape[1])
        return {"noise": noise_field(u, shape)}

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        sd = flags["sd"][0] if len(flags["sd"]) == 1 else x.new_tensor(flags["sd"])[:, None, None]
        return x + parameters["noise"].to(x.dtype) * sd
