import pytest
import torch

from simclr.data.aligned import aligned_preprocess
from simclr.data.fitting import fit_preprocess
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import TensorSource
from simclr.errors import InputError

CUBE = torch.rand(20, 7, 6, generator=torch.Generator().manual_seed(0)) * 100 + torch.arange(20.0)[:, None, None]
GAIN, OFFSET = torch.linspace(0.5, 2, 20)[:, None, None], torch.linspace(-30, 90, 20)[:, None, None]


@pytest.mark.parametrize("normalize", ["standardize", "minmax", "none"])
@pytest.mark.parametrize("whiten", [None, 3])
def test_gain_and_offset_of_each_band_are_taken_away(normalize, whiten):
    source, target = (SceneSource(cube, patch_size=3) for cube in (CUBE, GAIN * CUBE + OFFSET))
    fitted = fit_preprocess(source, normalize, whiten)
    before = {name: value.clone() for name, value in fitted.state_dict().items()}
    aligned = aligned_preprocess(fitted, source, target)
    ids = torch.arange(len(source))
    assert torch.allclose(aligned(target[ids]), fitted(source[ids]), atol=1e-3)
    assert not torch.allclose(fitted.finish(fitted.to_units(target[ids])), fitted(source[ids]), atol=0.1)
    assert torch.allclose(aligned.scene(target).cube, fitted.scene(source).cube, atol=1e-3)
    assert all(torch.equal(value, before[name]) for name, value in fitted.state_dict().items())


def test_pixels_are_aligned_too_also_of_another_depth():
    images = torch.randint(0, 120, (30, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    source, target = TensorSource(images.to(torch.uint8)), TensorSource(images * 514 + 2000, value_max=65535)
    fitted = fit_preprocess(source)
    assert fitted.normalize == "unit"
    aligned = aligned_preprocess(fitted, source, target)
    assert torch.allclose(aligned(target.images, 65535), fitted(source.images), atol=1e-3)


def test_a_constant_band_is_only_moved():
    flat = CUBE.clone()
    flat[4] = 7.0
    source, target = SceneSource(CUBE, patch_size=3), SceneSource(flat, patch_size=3)
    aligned = aligned_preprocess(fit_preprocess(source, "standardize"), source, target)
    x = aligned(target[torch.arange(42)])
    assert x.isfinite().all()
    assert x[:, 4].abs().max() < 1e-3


def test_spectra_of_unit_length_are_refused():
    scene = SceneSource(CUBE, patch_size=3)
    with pytest.raises(InputError, match=r"target\.statistics is own, which does not go with data\.spectrum"):
        aligned_preprocess(fit_preprocess(scene, "standardize", 4, spectrum=True), scene, scene)
