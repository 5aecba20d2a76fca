"""Smooth gains and offsets over the bands, at random."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from simclr.augment import checks
from simclr.augment.addressed import box_muller
from simclr.augment.band_affine import BandAffine, BandOperation

# More than any cosine that bands can hold.
MOST_ORDER = 4096


def cosine_curve(coefficients: Tensor, bands: int) -> Tensor:
    """A smooth curve over the bands from a short cosine series.

    The cosines are orthonormal over the bands and scaled so that standard normal coefficients give curves whose
    mean square over the bands is 1 on average. Cosines that ``bands`` points cannot hold are left out.

    Args:
        coefficients: (B, order + 1), the first that of the constant.
        bands: points of the curve.

    Returns:
        (B, bands) float32; computed in float64 and rounded, so that devices agree.
    """
    coefficients = coefficients[:, :bands].double()
    terms = coefficients.shape[1]
    k = torch.arange(terms, device=coefficients.device, dtype=coefficients.dtype).view(-1, 1)
    band = torch.arange(bands, device=coefficients.device, dtype=coefficients.dtype) + 0.5
    basis = torch.cos(math.pi / bands * k * band) * math.sqrt(2.0)
    basis[0] = 1.0
    # A sum of products rounds alike for every batch size; a matrix product need not.
    return (coefficients.unsqueeze(-1) * basis).sum(1).div_(math.sqrt(terms)).float()


class RandomSpectralJitter(BandOperation):
    """x * (1 + gain curve) + offset curve, both smooth over the bands, with probability ``p``.

    Args:
        gain: root mean square of the gain curve.
        offset: root mean square of the offset curve, in the units of the input.
        order: highest cosine of the curves; 0 gives one gain and offset for all bands.
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if ``gain``, ``offset`` or ``order`` is negative, ``order`` above 4,096 or ``p`` no probability.
    """

    def __init__(
        self, gain: float = 0.1, offset: float = 0.1, order: int = 3, p: float = 0.8, keepdim: bool = False
    ) -> None:
        super().__init__(
            p,
            keepdim,
            gain=checks.number("gain", gain, low=0.0),
            offset=checks.number("offset", offset, low=0.0),
            order=checks.integer("order", order, 0, MOST_ORDER),
        )

    def draws(self, shape: Sequence[int]) -> int:
        return 2 * (self.flags["order"] + 1)

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        gain, offset = box_muller(u).chunk(2, dim=1)
        return {
            "gain": 1.0 + self.flags["gain"] * cosine_curve(gain, shape[1]),
            "offset": self.flags["offset"] * cosine_curve(offset, shape[1]),
        }

    def note(self, parameters: dict[str, Tensor], row: int) -> dict[str, Any]:
        ranges = {name: parameters[name][row].aminmax() for name in ("gain", "offset")}
        return {name: [float(f"{low:.3g}"), float(f"{high:.3g}")] for name, (low, high) in ranges.items()}

    def affine(self, parameters: dict[str, Tensor]) -> BandAffine:
        return BandAffine(parameters["gain"], parameters["offset"])
