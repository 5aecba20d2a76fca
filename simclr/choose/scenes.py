"""What to do with a scene, by a look at its spectra and never at its labels."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from simclr.choose.chosen import Chosen
from simclr.data.moments import moments_of
from simclr.data.preprocess import unit_length
from simclr.data.scenes.band_noise import noise_of_bands
from simclr.data.scenes.neighbour_noise import calm_covariance, neighbour_differences, scene_components
from simclr.data.scenes.scene import SceneSource

CLEAR = 75.0
"""Contrast from which a pixel's own spectrum tells materials apart."""
ROUGH = 2.0
"""How much more than by the sensor's noise calm neighbours differ where they are other mixtures of materials."""

MOST_GAIN = 0.3
PATCH, SHIFT, CANDIDATES = 9, 5, 5
BATCH = 512
STEPS = {"context": 900, "material": 300, "both": 900}
BILATERAL = 2.5
"""Root mean square over the components, in units of their noise, from which a pixel counts as another material."""
WIDTHS = {"context": 64, "material": 24, "both": 24}
BINS = {"context": 24, "material": 48, "both": 96}


class SceneSeen(NamedTuple):
    """What a look at a scene finds.

    Attributes:
        height, width, bands: of the cube; bands without the bad ones.
        components: that stand above the noise.
        contrast: variance of the spectra of unit length over that of the noise in them: how far materials differ
            beyond what neighbours in one material differ by.
        roughness: what calm neighbours differ by, over the sensor's noise, which no other band explains; the median
            over the bands. About 1 where neighbours are the same but for noise.
        noise: standard deviation of the noise in the components, of spectra and of spectra of unit length.
        light: standard deviation of the logarithm of the spectra's length: how much brightness varies.
    """

    height: int
    width: int
    bands: int
    components: int
    contrast: float
    roughness: float
    noise: float
    light: float

    @property
    def regime(self) -> str:
        """What tells materials apart: the surroundings ("context"), the pixel's spectrum ("material"), or "both"."""
        if self.contrast < CLEAR:
            return "context"
        return "material" if self.roughness > ROUGH else "both"

    @property
    def keep(self) -> str:
        """Which network's features are in h; the spectrum itself is in any case."""
        return "material" if self.regime == "material" else "context"


def look_at_scene(scene: SceneSource) -> SceneSeen:
    """Measures a scene; the units of its bands do not matter, nor bands that are bad or the same everywhere."""
    moments = moments_of(scene, covariance=True)
    components = scene_components(scene, moments)
    bands = (components.directions != 0).any(0).nonzero()[:, 0]
    differences = neighbour_differences(scene)
    by_neighbours = calm_covariance(differences[:, bands]).diagonal().sqrt()
    by_bands = noise_of_bands((moments.scatter / moments.count)[bands][:, bands])
    units = scene.mapped(lambda cube: unit_length(cube[:, bands.to(cube.device)]))
    of_units = scene_components(units, moments_of(units, covariance=True))
    return SceneSeen(
        scene.height,
        scene.width,
        len(bands),
        len(components.ratios),
        _contrast(units),
        float((by_neighbours / by_bands.clamp(min=torch.finfo(torch.float64).tiny)).median()),
        float(torch.cat([components.noise, of_units.noise]).mean().sqrt()),
        float(_lengths(scene, bands).log().std()),
    )


def _lengths(scene: SceneSource, bands: Tensor) -> Tensor:
    """Of the spectra of the pixels that hold any, (n,) float64 on the CPU."""
    lengths = scene.cube[bands.to(scene.cube.device)].double().norm(dim=0).flatten().cpu()
    there = lengths > 0 if scene.no_data is None else (lengths > 0) & ~scene.no_data.flatten()
    return lengths[there]


def _contrast(units: SceneSource) -> float:
    noise = float(torch.trace(calm_covariance(neighbour_differences(units))))
    total = float(moments_of(units).variance.sum())
    return total / noise if noise > 0 else math.inf


def choose_scene(seen: SceneSeen) -> list[Chosen]:
    """Values for a scene, with their reasons; where the numbers come from, docs/does-it-pay.md says."""
    keep = seen.keep
    contrast, roughness = f"{seen.contrast:.0f}", f"{seen.roughness:.1f}"
    why = {
        "context": f"materials differ little beyond what neighbours differ by (contrast {contrast}, clear from "
        f"{CLEAR:.0f}): surroundings tell them better than a pixel",
        "material": f"spectra tell materials apart (contrast {contrast}), and neighbours are other mixtures of them "
        f"({roughness} times the sensor's noise): surroundings would blur them",
        "both": f"spectra tell materials apart (contrast {contrast}), and neighbours are alike ({roughness} times the "
        f"sensor's noise)",
    }[seen.regime]
    side = min(seen.height, seen.width)
    batch = min(BATCH, seen.height * seen.width // 4 * 2)
    steps_per_epoch = max(1, seen.height * seen.width // batch)
    epochs = math.ceil(STEPS[seen.regime] / steps_per_epoch)
    chosen = [
        Chosen("data.normalize", "standardize", f"{seen.height}x{seen.width} pixels of {seen.bands} bands"),
        Chosen("data.whiten", "auto", f"{seen.components} components stand above the noise"),
        Chosen("encoder.name", "material_context"),
        Chosen("encoder.width", WIDTHS[seen.regime]),
        Chosen("encoder.options.learn", "material" if keep == "material" else "both", why),
        Chosen("encoder.options.keep", keep),
        Chosen("encoder.options.bins", BINS[seen.regime], "runs of bands of the spectrum, which h keeps"),
        Chosen(
            "augment.illumination.gain",
            round(min(MOST_GAIN, seen.light / 2), 3),
            f"half of what brightness varies by ({seen.light:.2f}): the light is no material",
        ),
        Chosen("augment.noise.snr", "neighbours", "as much as calm neighbours differ by"),
        Chosen("augment.noise.p", 1.0),
        Chosen("head.hidden_dim", 128),
        Chosen("head.out_dim", 64),
        Chosen("loss.temperature", 0.3),
        Chosen("train.batch_size", batch),
        Chosen("train.epochs", epochs, f"{epochs * steps_per_epoch} steps of {batch} pixels"),
        Chosen("train.optimizer", "adamw"),
        Chosen("train.lr", 2e-3),
        Chosen("train.weight_decay", 1e-4),
        Chosen("train.warmup_epochs", round(epochs / 12, 3)),
        Chosen("monitor.every", 100),
        Chosen("monitor.held_out", 0.05, "for a verdict without labels"),
    ]
    if keep == "material":
        return [
            *chosen,
            Chosen("data.patch_size", 1, "the pixel alone"),
            Chosen("data.spectrum", "seen", "two views of a pixel's spectrum"),
            Chosen("encoder.options.spectral", True),
        ]
    patch = max(1, min(PATCH, side if side % 2 else side - 1))
    return [
        *chosen,
        Chosen("data.patch_size", patch, "what the context looks at"),
        Chosen("data.spectrum", "kept", "beside views of the components"),
        Chosen("encoder.options.mean", patch, "h also keeps the mean components of so many pixels a side"),
        Chosen(
            "encoder.options.bilateral",
            round(BILATERAL * seen.noise, 3),
            f"pixels that differ from the centre by more than {BILATERAL} times the noise count little",
        ),
        Chosen("augment.center_shift.shift", max(1, min(SHIFT, side - 1)), "a pixel near by is the other view"),
        Chosen("augment.center_shift.candidates", CANDIDATES, "and of so many the most similar, across no edge"),
        Chosen("augment.center_shift.window", 1),
        Chosen("augment.horizontal_flip.p", 0.5),
        Chosen("augment.rotation90.p", 1.0),
    ]
