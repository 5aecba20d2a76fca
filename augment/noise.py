"""Noise, white or shaped by band, at random."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from augment import checks
from augment.addressed import Address
from augment.base import IntensityOperation

# A run is a row of the table: 4 MB, which stay in cache. 13 of a uniform's 24 bits choose the row, the last the sign.
_ROWS, _RUN = 1 << 13, 128


def noise_draws(shape: Sequence[int]) -> int:
    """Uniforms needed for a standard normal number a pixel and band: two for each run of 128 numbers."""
    return 2 * -(-math.prod(shape[1:]) // _RUN)


def noise_field(u: Tensor, shape: Sequence[int]) -> Tensor:
    """Standard normal numbers: each run of 128 is the scaled sum of two random rows of a fixed table, signs random.

    A number of its own for each pixel would cost 50 times as much. Two runs have a row in common, and then a
    correlation of 0.5 or -0.5, once in 2,000 pairs; the correlation expected of any two numbers is 0. Runs go through
    the bands of a pixel, then on to the next pixel.

    Args:
        u: (B, noise_draws) uniform in [0, 1) with 24 bits.
        shape: (B, C, H, W).

    Returns:
        (B, C, H, W) float32.

    Source: the shared table is from Salimans et al., "Evolution strategies as a scalable alternative to reinforcement
    learning", 2017, section 2.1.
    """
    word = (u * 2.0**24).int()
    row, sign = word >> 11, (word & 1) * 2 - 1
    weight = sign.float().mul_(math.sqrt(0.5))
    runs = F.embedding_bag(row.view(-1, 2), _table(u.device), mode="sum", per_sample_weights=weight.view(-1, 2))
    bands, height, width = shape[1:]
    numbers = runs.view(len(u), u.shape[1] // 2 * _RUN)[:, : math.prod(shape[1:])]
    return numbers.unflatten(1, (height, width, bands)).permute(0, 3, 1, 2)


@lru_cache(maxsize=8)
def _table(device: torch.device) -> Tensor:
    """(8192, 128) standard normal numbers, equal on every device and kept there."""
    ids = torch.arange(_ROWS)
    numbers = Address(0, 0, ids, torch.zeros_like(ids)).normal("noise table", _RUN).double()
    return ((numbers - numbers.mean()) / numbers.std()).float().to(device)


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
            raise ValueError(
                f"sd has {checks.counted(len(self.flags['sd']), 'value')}, but the samples have "
                f"{checks.counted(bands, 'band')}: give 1" + (f", or {bands}." if bands > 1 else ".")
            )

    def draws(self, shape: Sequence[int]) -> int:
        return noise_draws(shape)

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        self.check_bands(shape[1])
        return {"noise": noise_field(u, shape)}

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        noise = parameters["noise"].to(x.dtype)
        if len(flags["sd"]) == 1:
            return torch.add(x, noise, alpha=flags["sd"][0])
        return x + noise * _constants(flags["sd"], x.dtype, x.device)[:, None, None]


@lru_cache(maxsize=64)
def _constants(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """(n,), kept on the device, for a copy to it would wait for the device."""
    return torch.tensor(values, dtype=dtype, device=device)
