"""Noise of bands in working units, dead and constant bands among them."""

import pytest
import torch

from simclr.data.fitting import fit_preprocess
from simclr.data.scenes.band_noise import noise_in_units
from simclr.data.scenes.scene import SceneSource


@pytest.mark.parametrize("normalize", ["standardize", "minmax"])
@pytest.mark.parametrize("snr", [100.0, "estimate"])
def test_a_band_that_is_the_same_everywhere_has_no_noise(normalize, snr):
    cube = torch.rand(6, 20, 20, generator=torch.Generator().manual_seed(0)) * 1000
    cube[2], cube[4] = 3000, 0
    scene = SceneSource(cube, patch_size=3)
    found = torch.tensor(noise_in_units(scene, fit_preprocess(scene, normalize), snr))
    assert float(found[[2, 4]].max()) < 1e-9
    if snr == 100.0:
        flat = cube.flatten(1).double()
        spread = flat.std(1, correction=0) if normalize == "standardize" else flat.amax(1) - flat.amin(1)
        alive = [0, 1, 3, 5]
        torch.testing.assert_close(found[alive].double(), (flat.mean(1) / 100 / spread)[alive], rtol=1e-4, atol=0)
