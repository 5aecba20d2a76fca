"""White noise, at random."""

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
        sd: standard deviation of the noise, in the units of the input.
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if ``sd`` is negative or ``p`` no probability.
    """

    def __init__(self, sd: float = 0.05, p: float = 0.5, keepdim: bool = False) -> None:
        super().__init__(p, keepdim, sd=checks.number("sd", sd, low=0.0))

    def draws(self, shape: Sequence[int]) -> int:
        return noise_draws(shape)

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        return {"noise": noise_field(u, shape)}

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        return x + parameters["noise"].to(x.dtype) * flags["sd"]
