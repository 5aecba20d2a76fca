"""Changed illumination of a scene, at random."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from simclr.augment import checks
from simclr.augment.band_affine import BandAffine, BandNoise, BandOperation
from simclr.augment.noise_field import noise_draws


class RandomRadiation(BandOperation):
    """alpha * x + beta * n: one illumination a sample, noise for each pixel and band, with probability ``p``.

    Args:
        alpha: range of the illumination, uniform.
        beta: weight of the standard normal noise, in the units of the input.
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if ``alpha`` is no increasing pair, ``beta`` is negative or ``p`` no probability.

    Source: Chen et al., "Deep feature extraction and classification of hyperspectral images based on convolutional
    neural networks", TGRS 2016, eq. 10.
    """

    def __init__(
        self, alpha: Sequence[float] = (0.9, 1.1), beta: float = 0.04, p: float = 1.0, keepdim: bool = False
    ) -> None:
        alpha = checks.interval("alpha", alpha, 0.0, float("inf"))
        super().__init__(p, keepdim, alpha=alpha, beta=checks.number("beta", beta, low=0.0))

    def draws(self, shape: Sequence[int]) -> int:
        return 1 + noise_draws(shape[1:])

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        low, high = self.flags["alpha"]
        return {"alpha": low + (high - low) * u[:, 0], "runs": u[:, 1:]}

    def affine(self, parameters: dict[str, Tensor]) -> BandAffine:
        alpha, runs = parameters["alpha"].unsqueeze(1), parameters["runs"]
        scale = alpha.new_full(alpha.shape, self.flags["beta"])
        return BandAffine(alpha, None, (BandNoise(runs, scale, scale[:, 0] > 0),))
