"""A scene like real ones: a few materials that mix in areas, whose spectra are smooth."""

import numpy as np
import pytest


@pytest.fixture
def made_scene():
    """Gives cubes (height, width, bands) uint16 and their ground truths uint8: 0 = unlabelled, classes 1 to 5."""

    def make(height=40, width=50, bands=30, seed=0):
        rng = np.random.default_rng(seed)
        spectra = 3000 + 500 * np.cumsum(rng.normal(size=(5, bands)), axis=1)
        rows, columns = np.mgrid[:height, :width]
        places = rng.uniform(0, 1, (40, 2)) * [height, width]
        near = np.exp(-np.stack([np.hypot(rows - r, columns - c) for r, c in places]))
        abundance = near.reshape(5, 8, height, width).sum(1) / near.sum(0)
        light = 1 + 0.1 * rng.normal(size=(height, width, 1))
        noise = rng.normal(scale=20, size=(height, width, bands))
        cube = light * np.einsum("khw,kb->hwb", abundance, spectra) + noise
        truth = np.where(abundance.max(0) > 0.6, 1 + abundance.argmax(0), 0)
        return cube.clip(1, 60000).astype(np.uint16), truth.astype(np.uint8)

    return make
