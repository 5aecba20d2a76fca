"""Whether a representation of a scene is worth more than the input, told without a label."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from simclr.augment.addressed import permutation
from simclr.data.held_out import GALLERY_STREAM, QUERY_STREAM, SUPPORT_STREAM
from simclr.data.moments import moments_of
from simclr.data.scenes.neighbour_noise import scene_components
from simclr.data.scenes.scene import SceneSource, reflect
from simclr.train.clusters import clusters
from simclr.train.verdict import Encode, Verdict, compared

GALLERY, QUERIES = 3_000, 1_000
CLUSTERS, SUPPORT, DRAWS, NEAREST = 8, 10, 5, 5
UNIT = "the spectrum of unit length"
TILE = 6
"""Side in pixels of what counts as one observation: neighbours err together."""
APART = 12
"""Pixels between a query and its partner, or more where patches are larger: their patches have no pixel in common."""


class SceneJudge:
    """Two questions to a representation of pixels that nobody has learned from, and to the untrained baselines.

    Of the surroundings: is a pixel's partner, so far away that their patches have no pixel in common, found among all
    that lie farther? Of the material: are held-out pixels told apart by the kinds of spectra that the scene holds, from
    ten pixels of each kind elsewhere? Kinds are clusters of the spectra of unit length.

    Args:
        patches: the scene as the encoder takes it.
        features: untrained ones of all pixels, as of `untrained_features`.
        held_out: ids of the pixels that are not learned from.
        weights: of the two questions, which add up to 1.
        seed: of what is drawn.

    Attributes:
        ids: of the pixels whose representation is asked for, ascending.
        baselines: how right each of them is about each query, (n,) float32 in [0, 1].
    """

    def __init__(
        self,
        patches: SceneSource,
        features: Mapping[str, Tensor],
        held_out: Tensor,
        *,
        weights: tuple[float, float],
        seed: int,
        apart: int = APART,
    ) -> None:
        self.patches, self.height, self.width = patches, patches.height, patches.width
        self.weights = weights
        self.apart = max(1, min(apart, self.height // 4))
        queries = held_out[permutation(seed, QUERY_STREAM, len(held_out))[:QUERIES]]
        row = queries // self.width
        step = torch.where(row + self.apart < self.height, self.apart, -self.apart)
        self._partners = queries + step * self.width
        learned = torch.ones(self.height * self.width, dtype=torch.bool)
        learned[held_out] = False
        rest = learned.nonzero()[:, 0]
        self._gallery = rest[permutation(seed, GALLERY_STREAM, len(rest))[:GALLERY]]
        self._queries = queries
        self._tiles = row // TILE * self.width + queries % self.width // TILE
        self.ids = torch.cat([queries, self._partners, self._gallery]).unique()
        spectra = features[UNIT]
        self._kinds = clusters(spectra[self.ids], spectra[self._gallery], CLUSTERS)
        self._supports = [self._support(seed, draw) for draw in range(DRAWS)]
        self.baselines = {name: self.measure(x[self.ids]) for name, x in features.items()}

    def add_baseline(self, name: str, encode: Encode) -> None:
        """What an encoder finds, as one more baseline."""
        self.baselines[name] = self._found(encode)

    def look(self, encode: Encode) -> Verdict:
        """The verdict on an encoder, with the standard error of its difference over tiles of the scene."""
        return compared(self._found(encode), self.baselines, self._tiles)

    def _found(self, encode: Encode) -> Tensor:
        return self.measure(torch.cat([encode(self.patches[ids]) for ids in self.ids.split(512)]))

    def measure(self, x: Tensor) -> Tensor:
        """How well features of the pixels ``ids`` answer about each query, (n,) float32."""
        surroundings, material = self.weights
        found = torch.zeros(len(self._queries))
        if surroundings:
            found += surroundings * self._surroundings(x.float())
        return found + material * self._material(x.float()) if material else found

    def _at(self, ids: Tensor) -> Tensor:
        """Rows of the features of ``ids``."""
        return torch.searchsorted(self.ids, ids)

    def _surroundings(self, x: Tensor) -> Tensor:
        gallery = x[self._at(self._gallery)]
        x = F.normalize((x - gallery.mean(0)) / (gallery.std(0) + 1e-6), dim=1)
        query = x[self._at(self._queries)]
        partner = (query * x[self._at(self._partners)]).sum(1)
        others = query @ x[self._at(self._gallery)].T
        row, column = self._queries // self.width, self._queries % self.width
        far = ((row[:, None] - self._gallery // self.width).abs() > self.apart) | (
            (column[:, None] - self._gallery % self.width).abs() > self.apart
        )
        less = (others < partner[:, None]) & far
        # A query counts by how many pixels are far away from it.
        return less.sum(1) * (len(less) / far.sum().clamp(min=1))

    def _material(self, x: Tensor) -> Tensor:
        kinds, rows = self._kinds, self._at(self._queries)
        right = []
        for support in self._supports:
            mean = x[support].mean(0)
            similar = F.normalize(x[rows] - mean, dim=1) @ F.normalize(x[support] - mean, dim=1).T
            near = similar.topk(min(NEAREST, len(support)), dim=1)
            votes = torch.zeros(len(rows), CLUSTERS).scatter_add_(1, kinds[support][near.indices], near.values.exp())
            right.append((votes.argmax(1) == kinds[rows]).float())
        return torch.stack(right).mean(0)

    def _support(self, seed: int, draw: int) -> Tensor:
        """Rows of ten gallery pixels of each kind, or as many as there are."""
        rows = self._at(self._gallery)[permutation(seed, SUPPORT_STREAM + draw, len(self._gallery))]
        return torch.cat([rows[self._kinds[rows] == kind][:SUPPORT] for kind in range(CLUSTERS)])


def untrained_features(scene: SceneSource, patch_size: int) -> dict[str, Tensor]:
    """What a scene's pixels and windows say without anything learned: name → (H·W, dim) float32 on the CPU.

    Args:
        scene: raw.
        patch_size: side of the windows, odd.
    """
    moments = moments_of(scene, covariance=True)
    components = scene_components(scene, moments)
    used = (components.directions != 0).any(0)
    matrix, bias = components.from_units(torch.zeros_like(components.mean), torch.ones_like(components.mean))
    cube = scene.cube.cpu().double()
    spectra = ((cube - components.mean[:, None, None]) / components.spread[:, None, None])[used]
    above = torch.einsum("kc,chw->khw", matrix, cube) + bias[:, None, None]
    unit = cube[used] / cube[used].norm(dim=0, keepdim=True).clamp(min=1e-30)
    spread = unit.flatten(1).std(1).clamp(min=1e-30)
    unit = (unit - unit.mean((1, 2), keepdim=True)) / spread[:, None, None]
    cubes = {"the spectrum": spectra, UNIT: unit}
    if patch_size > 1:
        cubes["the mean spectrum of the patch"] = _window_mean(spectra, patch_size)
        cubes["the mean components of the patch"] = _window_mean(above, patch_size)
    return {name: cube.float().flatten(1).T.contiguous() for name, cube in cubes.items()}


def _window_mean(cube: Tensor, side: int) -> Tensor:
    return F.avg_pool2d(reflect(cube, side // 2)[None], side, stride=1)[0]
