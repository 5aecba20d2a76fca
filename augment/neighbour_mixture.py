"""A sample mixed with another one that lies near it, at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from simclr.augment import checks
from simclr.augment.base import Drawn, IntensityOperation, per_sample
from simclr.augment.needs import Need


def mixture(x: Tensor, other: Tensor, alpha: Tensor) -> Tensor:
    """alpha * x + (1 - alpha) * other, with ``alpha`` (B,) and ``x``, ``other`` (B, C, H, W)."""
    return torch.lerp(other, x, per_sample(alpha, x))


class RandomNeighbourMixture(IntensityOperation):
    """alpha * x + (1 - alpha) * neighbour, with probability ``p``: light of adjacent ground in a pixel of a scene.

    ``Views`` hands in the neighbours, unlabelled patches of the same scene (``mix``). Alone, the neighbour is a
    uniformly chosen sample of the batch.

    Args:
        alpha: range of the sample's own share, uniform.
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if ``alpha`` is no increasing pair within 0..1 or ``p`` no probability.
    """

    needs = frozenset({Need.NEIGHBOURS})
    # The neighbour may be of another class.
    keeps_label = False
    # A linear map of the bands of each pixel commutes with a mixture whose shares add up to 1.
    acts_on_bands = False

    def __init__(self, alpha: Sequence[float] = (0.7, 1.0), p: float = 0.5, keepdim: bool = False) -> None:
        super().__init__(p, keepdim, alpha=checks.interval("alpha", alpha, 0.0, 1.0))

    def draws(self, shape: Sequence[int]) -> int:
        return 2

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        low, high = self.flags["alpha"]
        return {"alpha": low + (high - low) * u[:, 0], "partner": u[:, 1]}

    def note(self, parameters: dict[str, Tensor], row: int) -> dict[str, Any]:
        return {"alpha": float(f"{parameters['alpha'][row]:.4g}")}

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        partner = (parameters["partner"].double() * len(x)).long()
        return mixture(x, x[partner], parameters["alpha"])

    def mix(self, x: Tensor, others: Tensor, drawn: Drawn) -> Tensor:
        return mixture(x, others, torch.where(drawn.applied, drawn.parameters["alpha"], 1.0))
