"""Colour taken away, at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from simclr.augment import checks
from simclr.augment.base import IntensityOperation
from simclr.augment.luma import luma


class RandomGrayscale(IntensityOperation):
    """All three bands set to the grey value, with probability ``p``. Takes RGB images of any range.

    Args:
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if ``p`` is no probability; at the call, if the input does not have 3 bands.
    """

    def __init__(self, p: float = 0.2, keepdim: bool = False) -> None:
        super().__init__(p, keepdim)

    def check_bands(self, bands: int) -> None:
        if bands != 3:
            raise ValueError(
                f"it takes RGB images, but the samples have {checks.counted(bands, 'band')}: leave it out."
            )

    def draws(self, shape: Sequence[int]) -> int:
        self.check_bands(shape[1])
        return 0

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        return {}

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        # Three bands in memory, not one seen thrice: what follows may write to them.
        return luma(x).repeat(1, 3, 1, 1)
