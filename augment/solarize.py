"""Bright pixels inverted, at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from simclr.augment import checks
from simclr.augment.base import IntensityOperation
from simclr.augment.needs import Need


def solarize(x: Tensor, threshold: float) -> Tensor:
    """1 - x where x is at least ``threshold``, x elsewhere; nothing is clamped."""
    return torch.where(x >= threshold, 1.0 - x, x)


class RandomSolarize(IntensityOperation):
    """1 - x where x is at least ``threshold``, with probability ``p``. For photographs in units of 0..1.

    Args:
        threshold: in the units of the input.
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if ``threshold`` is no finite number or ``p`` no probability.
    """

    needs = frozenset({Need.UNIT_RANGE})

    def __init__(self, threshold: float = 0.5, p: float = 0.2, keepdim: bool = False) -> None:
        super().__init__(p, keepdim, threshold=checks.number("threshold", threshold))

    def check_bands(self, bands: int) -> None:
        if bands not in (1, 3):
            raise ValueError(f"it takes photographs of 1 or 3 bands, but the samples have {bands} bands: leave it out.")

    def draws(self, shape: Sequence[int]) -> int:
        self.check_bands(shape[1])
        return 0

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        return {}

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        return solarize(x, flags["threshold"])
