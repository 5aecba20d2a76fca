"""Mean, spread, range and covariance of bands, gathered batch by batch in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source


class Moments:
    """Statistics of the pixels seen so far, merged exactly (Chan, Golub, LeVeque 1979), so one pass is enough.

    Args:
        channels: values of a pixel, C.
        covariance: whether to keep the whole (C, C) scatter matrix, or only its diagonal.

    Attributes:
        count: pixels seen.
        mean, low, high: (C,) float64.
        scatter: sum over pixels of (x - mean)(x - mean)^T, (C, C), or its diagonal (C,).
    """

    def __init__(self, channels: int, covariance: bool = False) -> None:
        self.count = 0
        self.mean = torch.zeros(channels, dtype=torch.float64)
        self.low = torch.full((channels,), torch.inf, dtype=torch.float64)
        self.high = torch.full((channels,), -torch.inf, dtype=torch.float64)
        self.scatter = torch.zeros((channels, channels) if covariance else channels, dtype=torch.float64)

    def update(self, batch: Tensor) -> None:
        """Adds the pixels of a batch (b, C, h, w) of any real dtype."""
        pixels = batch.to("cpu", torch.float64).permute(0, 2, 3, 1).reshape(-1, batch.shape[1])
        n = len(pixels)
        mean = pixels.mean(0)
        self.low = torch.minimum(self.low, pixels.amin(0))
        self.high = torch.maximum(self.high, pixels.amax(0))
        delta = mean - self.mean
        pixels = pixels - mean
        weight = self.count * n / (self.count + n)
        if self.scatter.ndim == 2:
            self.scatter += pixels.T @ pixels + weight * torch.outer(delta, delta)
        else:
            self.scatter += pixels.square().sum(0) + weight * delta.square()
        self.mean += delta * (n / (self.count + n))
        self.count += n

    @property
    def variance(self) -> Tensor:
        """Population variance (divided by the count), (C,) float64."""
        return (self.scatter.diagonal() if self.scatter.ndim == 2 else self.scatter) / self.count


def moments_of(source: Source, *, covariance: bool = False, samples: int = 10_000) -> Moments:
    """Moments of a source: of all measured pixels of a scene, otherwise of up to ``samples`` evenly spaced samples."""
    moments = Moments(source.in_chans, covariance)
    if isinstance(source, SceneSource):
        for first, rows in zip(range(0, source.height, 64), source.cube.split(64, dim=1)):
            if source.no_data is not None:
                rows = rows[:, ~source.no_data[first : first + 64].to(rows.device)].unsqueeze(2)
            if rows.numel():
                moments.update(rows.unsqueeze(0))
        return moments
    n = min(len(source), samples)
    ids = torch.arange(n) * len(source) // n
    for chunk in ids.split(256):
        moments.update(source[chunk])
    return moments
