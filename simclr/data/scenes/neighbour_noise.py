"""How neighbouring pixels of a scene differ, and what stands above that: components in units of noise."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from simclr.data.moments import Moments
from simclr.data.scenes.scene import SceneSource
from simclr.data.units import spread_or_one

MOST_PAIRS = 200_000
LEAST_RATIO = 3.0
LEAST_COMPONENTS = 3
_RIDGE = 1e-6


def neighbour_differences(scene: SceneSource, most: int = MOST_PAIRS) -> Tensor:
    """Differences of pixels that touch, to the right and below, (pairs, C) float64 on the CPU.

    Args:
        scene: in the units that are asked about; pixels without data take no part.
        most: at most about so many pairs, evenly spread over the scene.
    """
    cube = scene.cube.flatten(1)
    at = torch.arange(len(scene)).view(scene.height, scene.width)
    first = torch.cat([at[:, :-1].flatten(), at[:-1].flatten()])
    second = torch.cat([at[:, 1:].flatten(), at[1:].flatten()])
    if scene.no_data is not None:
        there = ~scene.no_data.flatten()
        both = there[first] & there[second]
        first, second = first[both], second[both]
    kept = slice(None, None, max(1, len(first) // most))
    first, second = first[kept].to(cube.device), second[kept].to(cube.device)
    return (cube[:, first].double() - cube[:, second].double()).T.cpu()


def calm_covariance(differences: Tensor) -> Tensor:
    """Covariance of the noise of a pixel, (C, C) float64: half that of the calmer half of the differences.

    Across the edge of a field neighbours differ by more than noise, so the pairs that differ most say nothing of it.
    How much a pair differs is counted in units of each band's own spread of differences.

    Args:
        differences: (pairs, C) float64, as of `neighbour_differences`.

    Source: after Green et al., "A transformation for ordering multispectral data in terms of image quality", TGRS
    1988, section III, whose noise is the difference of neighbours.
    """
    if len(differences) == 0:
        return torch.zeros(differences.shape[1], differences.shape[1], dtype=torch.float64)
    spread = differences.square().mean(0).sqrt().clamp(min=torch.finfo(torch.float64).tiny)
    size = (differences / spread).square().mean(1)
    calm = differences[size <= size.median()]
    return calm.T @ calm / (2 * len(calm))


class NoiseComponents(NamedTuple):
    """Directions in the bands, the one with the largest ratio of variance to noise first.

    Attributes:
        directions: (K, C) float64; each component has noise of variance 1, and its largest loading is positive.
        ratios: (K,) float64, variance over that of the noise.
    """

    directions: Tensor
    ratios: Tensor


def noise_components(covariance: Tensor, noise: Tensor, least: float = LEAST_RATIO) -> NoiseComponents:
    """Maximum noise fraction: the components whose variance is at least ``least`` times that of the noise.

    At least three, where there are so many bands.

    Args:
        covariance: of the pixels, (C, C).
        noise: of their noise, (C, C), as of `calm_covariance`; bands whose units are alike, best of unit variance.
        least: ratio of variance to noise of the last component.

    Source: Green et al., TGRS 1988; Lee et al., "Enhancement of high spectral resolution remote sensing data by a
    noise-adjusted principal components transform", TGRS 1990.
    """
    bands = len(noise)
    # The ridge keeps bands that repeat each other, or have no noise, apart.
    level = float(torch.trace(noise)) or float(torch.trace(covariance)) or 1.0
    regular = noise.double() + _RIDGE * level / bands * torch.eye(bands, dtype=torch.float64)
    inverse = torch.linalg.inv(torch.linalg.cholesky(regular))
    values, vectors = torch.linalg.eigh(inverse @ covariance.double() @ inverse.T)
    values, vectors = values.flip(0), vectors.flip(1)
    kept = min(bands, max(LEAST_COMPONENTS, int((values > least).sum())))
    directions = vectors[:, :kept].T @ inverse
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    return NoiseComponents(directions * largest.sign(), values[:kept].clamp(min=1.0))


class SceneComponents(NamedTuple):
    """The components of a scene that stand above the noise of its pixels.

    Attributes:
        mean, spread: of the raw bands, (C,) float64; the directions are of bands in these units.
        directions, ratios: see `NoiseComponents`; bad and constant bands have no part in them.
    """

    mean: Tensor
    spread: Tensor
    directions: Tensor
    ratios: Tensor

    @property
    def noise(self) -> Tensor:
        """Variance of each component's noise, in the units of `from_units`, (K,) float64."""
        roots = self.ratios.sqrt()
        return 1 / (roots * roots.mean())

    def from_units(self, offset: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """The map from units = (raw - offset) * scale to the components, matrix (K, C) and bias (K,).

        A component's variance is the root of its ratio of variance to noise, up to a factor that makes the variances 1
        on average. Whitening would lift what is hardly more than noise to the level of all others; units of noise would
        leave nothing but the brightness.
        """
        loadings = self.directions * self.noise.sqrt()[:, None] / self.spread
        matrix = loadings / torch.where(scale > 0, scale, 1.0)
        return matrix, loadings @ (offset - self.mean)


def scene_components(scene: SceneSource, moments: Moments) -> SceneComponents:
    """The components of a scene above the noise by which its neighbouring pixels differ.

    The units of the bands do not matter, nor bands that are bad or everywhere the same.

    Args:
        scene: raw.
        moments: of its pixels, with their covariance.
    """
    spread = spread_or_one(moments.variance.sqrt(), moments.mean)
    varying = moments.variance.sqrt() > 1e-7 * moments.mean.abs()
    varying[list(scene.bad_bands)] = False
    bands = varying.nonzero()[:, 0]
    covariance = moments.scatter / moments.count / torch.outer(spread, spread)
    noise = calm_covariance(neighbour_differences(scene)[:, bands] / spread[bands])
    found = noise_components(covariance[bands][:, bands], noise)
    directions = torch.zeros(len(found.ratios), scene.in_chans, dtype=torch.float64)
    directions[:, bands] = found.directions
    return SceneComponents(moments.mean, spread, directions, found.ratios)
