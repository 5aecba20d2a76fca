"""Changed illumination of a scene, at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from augment import checks
from augment.base import IntensityOperation, per_sample
from augment.noise import noise_draws, noise_field


def radiation(x: Tensor, alpha: Tensor, beta: float, noise: Tensor) -> Tensor:
    """alpha * x + beta * noise.

    Args:
        x: (B, C, H, W).
        alpha: (B,), the illumination of each sample.
        beta: weight of the noise, in the units of ``x``.
        noise: (B, C, H, W), standard normal.

    Source: Chen et al., "Deep feature extraction and classification of hyperspectral images based on convolutional
    neural networks", TGRS 2016, eq. 10.
    """
    return (x * per_sample(alpha, x)).add_(noise.to(x.dtype), alpha=beta)


class RandomRadiation(IntensityOperation):
    """alpha * x + beta * n: one illumination a sample, noise for each pixel and band, with probability ``p``.

    Args:
        alpha: range of the illumination, uniform.
        beta: weight of the standard normal noise, in the units of the input.
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if ``alpha`` is no increasing pair, ``beta`` is negative or ``p`` no probability.
    """

    def __init__(
        self, alpha: Sequence[float] = (0.9, 1.1), beta: float = 0.04, p: float = 1.0, keepdim: bool = False
    ) -> None:
        alpha = checks.interval("alpha", alpha, 0.0, float("inf"))
        super().__init__(p, keepdim, alpha=alpha, beta=checks.number("beta", beta, low=0.0))

    def draws(self, shape: Sequence[int]) -> int:
        return 1 + noise_draws(shape)

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        low, high = self.flags["alpha"]
        return {"alpha": low + (high - low) * u[:, 0], "noise": noise_field(u[:, 1:], shape)}

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        return radiation(x, parameters["alpha"], flags["beta"], parameters["noise"])
