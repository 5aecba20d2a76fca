"""Bands left out, at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from simclr.augment import checks
from simclr.augment.band_affine import BandAffine, BandOperation


class RandomBandDropout(BandOperation):
    """Some bands set to 0 in all pixels, with probability ``p``; the others are not rescaled.

    Args:
        fraction: probability that a band is dropped, each on its own, in steps of 1/4096.
        window: length of one further run of neighbouring bands that is dropped, at a uniform place; 0 for none.
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if ``fraction`` or ``p`` is no probability or ``window`` negative; at the call, if ``window`` is
            not shorter than the bands.
    """

    def __init__(self, fraction: float = 0.1, window: int = 0, p: float = 0.5, keepdim: bool = False) -> None:
        fraction, window = checks.probability("fraction", fraction), checks.integer("window", window, 0)
        super().__init__(p, keepdim, fraction=fraction, window=window)

    def check_bands(self, bands: int) -> None:
        if self.flags["window"] >= bands:
            raise ValueError(
                f"window is {self.flags['window']}, but the samples have {checks.counted(bands, 'band')}: "
                f"use {bands - 1} or less."
            )

    def draws(self, shape: Sequence[int]) -> int:
        return 1 + (shape[1] + 1) // 2

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        self.check_bands(shape[1])
        window = self.flags["window"]
        start = (u[:, :1] * (shape[1] - window + 1)).floor()
        band = torch.arange(shape[1], device=u.device)
        inside = (band >= start) & (band < start + window)
        # 12 bits a band: half of a uniform's 24.
        word = (u[:, 1:] * 2.0**24).int()
        level = torch.cat((word >> 12, word & 4095), dim=1)[:, : shape[1]]
        return {"keep": (level >= 4096 * self.flags["fraction"]) & ~inside}

    def note(self, parameters: dict[str, Tensor], row: int) -> dict[str, Any]:
        return {"dropped": (~parameters["keep"][row]).nonzero()[:, 0].tolist()}

    def affine(self, parameters: dict[str, Tensor]) -> BandAffine:
        return BandAffine(parameters["keep"].float())
