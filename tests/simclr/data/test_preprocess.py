"""The map from raw values to the encoder's input, against scikit-learn and plain arithmetic."""

import json

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from torchvision.transforms.v2 import functional as tv

from simclr.data.fitting import fit_preprocess
from simclr.data.preprocess import Preprocess
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import TensorSource
from simclr.errors import InputError


def made_scene(bands=12, height=20, width=90, seed=0) -> SceneSource:
    """Correlated bands of very different size, as a sensor gives them."""
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(bands, bands)) * np.geomspace(1, 0.05, bands)
    pixels = generator.normal(size=(height * width, bands)) @ mixing.T * 300 + np.linspace(1000, 9000, bands)
    cube = torch.from_numpy(pixels.T.reshape(bands, height, width).astype(np.float32))
    return SceneSource(cube, patch_size=5)


def spectra(scene: SceneSource) -> np.ndarray:
    return scene.cube.flatten(1).T.double().numpy()


def cube_of(preprocess, scene) -> np.ndarray:
    return preprocess(scene.cube.unsqueeze(0))[0].flatten(1).T.double().numpy()


def test_standardize_equals_scikit_learn():
    scene = made_scene()
    preprocess = fit_preprocess(scene)
    assert preprocess.normalize == "standardize"
    np.testing.assert_allclose(cube_of(preprocess, scene), StandardScaler().fit_transform(spectra(scene)), atol=2e-5)


def test_minmax_units_equal_scikit_learn():
    scene = made_scene()
    preprocess = fit_preprocess(scene, "minmax")
    expected = MinMaxScaler().fit_transform(spectra(scene))
    units = preprocess.to_units(scene.cube.unsqueeze(0))[0].flatten(1).T
    np.testing.assert_allclose(units, expected, atol=1e-5)
    np.testing.assert_allclose(cube_of(preprocess, scene), StandardScaler().fit_transform(expected), atol=2e-4)


@pytest.mark.parametrize("normalize", ["standardize", "minmax", "none"])
def test_whitening_equals_scikit_learn(normalize):
    scene = made_scene()
    scaler = {"standardize": StandardScaler(), "minmax": MinMaxScaler(), "none": None}[normalize]
    units = spectra(scene) if scaler is None else scaler.fit_transform(spectra(scene))
    expected = PCA(6, whiten=True, svd_solver="full").fit_transform(units)
    got = cube_of(fit_preprocess(scene, normalize, 6), scene)
    signs = np.sign((expected * got).sum(0))
    np.testing.assert_allclose(got * signs, expected, atol=2e-3)
    assert got.std(0, ddof=1) == pytest.approx(1, abs=1e-3)


def test_sign_of_a_component_is_fixed():
    matrix = fit_preprocess(made_scene(), whiten=6).matrix
    assert bool((matrix.gather(1, matrix.abs().argmax(1, keepdim=True)) > 0).all())


def test_patches_and_cube_give_the_same():
    scene = made_scene()
    preprocess = fit_preprocess(scene, whiten=4)
    ids = torch.tensor([0, 95, 1799])
    torch.testing.assert_close(scene.mapped(preprocess)[ids], preprocess(scene[ids]), atol=1e-5, rtol=1e-5)


def test_unit_of_8_bit_images():
    images = torch.randint(0, 256, (300, 3, 6, 5), dtype=torch.uint8)
    preprocess = fit_preprocess(TensorSource(images))
    assert preprocess.normalize == "unit"
    units = images.double() / 255
    mean, std = units.mean((0, 2, 3)), units.std((0, 2, 3), correction=0)
    torch.testing.assert_close(preprocess.to_units(images), units.float())
    expected = ((units - mean[:, None, None]) / std[:, None, None]).float()
    torch.testing.assert_close(preprocess(images), expected, atol=1e-5, rtol=1e-5)
    # Floats from 0 to 1 are the same pixels; floats up to 255 are a mistake.
    torch.testing.assert_close(preprocess(units.float()), expected, atol=1e-5, rtol=1e-5)
    with pytest.raises(InputError, match="floats from 0 to 1, but the batch has floats from 0 to 255"):
        preprocess(torch.tensor([0.0, 255.0]).expand(1, 3, 2, 2))


def test_given_mean_and_std():
    images = torch.randint(0, 256, (4, 3, 2, 2), dtype=torch.uint8)
    preprocess = fit_preprocess(TensorSource(images), mean=[0.5], std=[0.1, 0.2, 0.4])
    std = torch.tensor([0.1, 0.2, 0.4])[:, None, None]
    torch.testing.assert_close(preprocess(images), (images / 255 - 0.5) / std, atol=1e-5, rtol=1e-5)


def test_16_bit_held_in_32():
    images = torch.tensor([0, 65535]).int().expand(2, 1, 3, 2)
    preprocess = fit_preprocess(TensorSource(images, value_max=65535), "unit", mean=[0], std=[1])
    assert preprocess(images).unique().tolist() == [0.0, 1.0]


def test_fit_looks_at_samples_over_the_whole_source():
    images = torch.arange(1000, dtype=torch.float32).reshape(1000, 1, 1, 1)
    preprocess = fit_preprocess(TensorSource(images), "minmax", samples=100)
    assert float(preprocess.offset) == 0
    assert float(1 / preprocess.scale) == pytest.approx(990)


def test_a_constant_band_becomes_zero():
    cube = torch.randn(3, 8, 8)
    cube[1] = 0.1
    preprocess = fit_preprocess(SceneSource(cube))
    out = preprocess(cube.unsqueeze(0))[0, 1]
    assert float(out.abs().max()) < 1e-6


@pytest.mark.parametrize("options", [{}, {"whiten": 3}, {"normalize": "minmax"}, {"normalize": "none"}])
def test_round_trip_through_json(options):
    scene = made_scene()
    preprocess = fit_preprocess(scene, **options)
    again = Preprocess.from_config(json.loads(json.dumps(preprocess.config())))
    again.load_state_dict(preprocess.state_dict())
    ids = torch.tensor([3, 500])
    assert torch.equal(again(scene[ids]), preprocess(scene[ids]))


def test_input_size_resizes_as_torchvision():
    images = torch.randint(0, 256, (2, 3, 40, 57), dtype=torch.uint8)
    source = TensorSource(images)
    preprocess = fit_preprocess(source, mean=[0], std=[1], input_size=16)
    expected = tv.center_crop(tv.resize(images.float() / 255, 16, antialias=True), 16)
    torch.testing.assert_close(preprocess(images), expected, atol=1e-5, rtol=1e-5)
    small = images[..., :16, :16]
    torch.testing.assert_close(preprocess(small), small / 255)


def test_autocast_does_not_touch_the_map():
    scene = made_scene()
    preprocess = fit_preprocess(scene, whiten=6)
    ids = torch.arange(20)
    with torch.autocast("cpu", torch.bfloat16):
        inside = preprocess(scene[ids])
    assert torch.equal(inside, preprocess(scene[ids]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalize": "zscore"}, "data.normalize is 'zscore': choose one of auto, unit"),
        ({"normalize": "unit"}, "takes integers from 0 or floats from 0 to 1"),
        ({"whiten": 13}, "data.whiten is 13, but the source has 12 bands"),
        ({"whiten": 2, "mean": [0.0]}, "do nothing with data.whiten"),
        ({"normalize": "minmax", "mean": [0.0, 1.0]}, "data.mean has 2 values: give 1, or 12"),
        ({"normalize": "minmax", "std": [0.0]}, "every value must be above 0"),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(InputError, match=message):
        fit_preprocess(made_scene(), **options)


def test_more_components_than_there_are():
    cube = torch.randn(3, 10, 10)
    doubled = SceneSource(torch.cat([cube, cube * 2 + 1]))
    flat = TensorSource(torch.full((9, 3, 2, 2), 0.25))
    for whiten in (2, None):
        with pytest.raises(InputError, match=r"holds nothing but the value 0\.25: there is nothing to learn"):
            fit_preprocess(flat, whiten=whiten)
    with pytest.raises(InputError, match=r"only 3 components of the bands carry any variance: set data\.whiten=3"):
        fit_preprocess(doubled, whiten=5)


def test_wrong_bands():
    preprocess = Preprocess(200)
    with pytest.raises(InputError, match="this encoder takes 200 bands, but the batch has 3"):
        preprocess(torch.zeros(1, 3, 9, 9))
    with pytest.raises(InputError, match="the batch has shape"):
        preprocess(torch.zeros(200, 9, 9))


def test_a_preprocessed_scene_gives_what_preprocessing_its_patches_gives():
    scene = SceneSource(torch.randint(0, 4000, (12, 14, 13), dtype=torch.int32), patch_size=9)
    preprocess = fit_preprocess(scene, "standardize", whiten=4, pool=3)
    ids = torch.arange(0, 182, 5)
    expected = preprocess(scene[ids])
    assert expected.shape == (37, 4, 3, 3)
    torch.testing.assert_close(preprocess.scene(scene)[ids], expected, atol=1e-4, rtol=0)
    again = Preprocess.from_config(preprocess.config())
    again.load_state_dict(preprocess.state_dict())
    assert torch.equal(again(scene[ids]), expected)


@pytest.mark.parametrize(
    ("shape", "side", "words"),
    [
        ((2, 3, 0, 5), None, r"shape \(2, 3, 0, 5\): give 2 pixels a side or more"),
        ((2, 3, 1, 4), None, r"shape \(2, 3, 1, 4\): give 2 pixels a side or more"),
        ((2, 3, 9, 9), 8, r"shape \(2, 3, 9, 9\), but .* patches of 8x8 pixels: give \(batch, 3, 8, 8\)"),
    ],
)
def test_a_batch_of_another_size_is_refused_by_the_shape_that_was_given(shape, side, words):
    preprocess = Preprocess(3, pool=2)
    preprocess.patch_size = side
    with pytest.raises(InputError, match=words):
        preprocess(torch.zeros(shape))
    assert preprocess(torch.zeros(2, 3, 8, 8)).shape == (2, 3, 4, 4)
