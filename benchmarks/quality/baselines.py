"""What needs no training, of a set alone: the strongest of these is what an encoder must beat."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from simclr.data import fit_preprocess
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.subject.baselines import fit_pca, patches, raw_features, unlabelled_ids, window_mean
from simclr.eval.subject.representations import PCA_COMPONENTS
from simclr.train.gradient_histograms import gradient_histograms

RAW = "raw"
WHITENED = 60
CELLS = 3
MOST_CELLS = 7

Features = Callable[[], Tensor]


def untrained(data: LabelledData, ids: Tensor) -> dict[str, Features]:
    """Representations without training, by name; each is made when it is called.

    Of a scene: ``raw``, the pixel's spectrum, standardised; ``unit spectrum``; ``window mean``, of the spectra around
    the pixel and, ``whitened``, of ``WHITENED`` components of unit variance; ``pca`` of the patch. Of images: ``raw``
    pixels, averaged down to 16 px at most; ``pixels``, all of them; ``pca`` of ``raw``; ``gradient histograms``
    of the image in grey, ``MOST_CELLS`` cells a side, or half as many as pixels.

    Args:
        data: the samples.
        ids: which ones, ascending, (n,) int64.

    Returns:
        Functions that give (n, dim) float32.
    """
    return of_scene(data.source, ids) if isinstance(data.source, SceneSource) else of_images(data, ids)


def of_scene(scene: SceneSource, ids: Tensor) -> dict[str, Features]:
    """See :func:`untrained`."""
    plain = fit_preprocess(scene, "standardize", pool=CELLS if scene.patch_size % CELLS == 0 else 1)

    def pca() -> Tensor:
        mean, directions = fit_pca(patches(plain, scene, unlabelled_ids(scene)), PCA_COMPONENTS)
        return (patches(plain, scene, ids) - mean) @ directions

    def whitened() -> Tensor:
        components = min(WHITENED, len(scene.good_bands))
        return window_mean(fit_preprocess(scene, "standardize", components, pool=plain.pool), scene, ids)

    return {
        RAW: lambda: raw_features(plain, scene, ids),
        "unit spectrum": lambda: unit_spectra(scene.cube)[ids],
        "window mean": lambda: window_mean(plain, scene, ids),
        "whitened window mean": whitened,
        "pca": pca,
    }


def of_images(data: LabelledData, ids: Tensor) -> dict[str, Features]:
    """See :func:`untrained`."""
    source = data.source
    plain = fit_preprocess(source)

    def raw() -> Tensor:
        return data.gather(ids, lambda part, some: raw_features(plain, part, some))

    def pixels(part: Source, some: Tensor) -> Tensor:
        return plain.to_units(part[some], part.value_max).flatten(1)

    def pca() -> Tensor:
        mean, directions = fit_pca(raw_features(plain, source, unlabelled_ids(source)), PCA_COMPONENTS)
        return (raw() - mean) @ directions

    def edges(part: Source, some: Tensor) -> Tensor:
        grey = plain.to_units(part[some], part.value_max).mean(1)
        return gradient_histograms(grey, min(MOST_CELLS, min(grey.shape[1:]) // 2))

    return {
        RAW: raw,
        "pixels": lambda: data.gather(ids, pixels),
        "pca": pca,
        "gradient histograms": lambda: data.gather(ids, edges),
    }


def unit_spectra(cube: Tensor) -> Tensor:
    """Each pixel's spectrum divided by its norm, then standardised over all pixels, band by band.

    What a gain does to a pixel is gone.

    Args:
        cube: (C, H, W), any real dtype.

    Returns:
        (H·W, C) float32; a band that is constant, and a spectrum of zeros, become zeros.
    """
    spectra = cube.flatten(1).T.double()
    unit = spectra / spectra.norm(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    centred = unit - unit.mean(0)
    deviation = centred.square().mean(0).sqrt()
    return (centred / deviation.where(deviation > 1e-12, torch.inf)).float()
