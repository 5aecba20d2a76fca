from contextlib import nullcontext

import pytest
import torch
from sklearn.decomposition import PCA

from simclr.data.fitting import fit_preprocess
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import TensorSource
from simclr.encoder_file import FrozenEncoder
from simclr.eval.subject.baselines import calibrated_twin, fit_pca, patches, raw_features, window_mean
from simclr.models.encoder import random_encoder


def test_small_photographs_are_their_pixels():
    images = torch.randint(0, 256, (9, 3, 8, 8), dtype=torch.uint8)
    source = TensorSource(images)
    ids = torch.tensor([4, 0, 8])
    found = raw_features(fit_preprocess(source), source, ids, batch_size=2)
    torch.testing.assert_close(found, images[ids].flatten(1) / 255.0)


def test_large_photographs_are_averaged_to_16_by_16():
    images = torch.randint(0, 256, (4, 1, 32, 64), dtype=torch.uint8)
    source = TensorSource(images)
    found = raw_features(fit_preprocess(source), source, torch.arange(4))
    expected = (images / 255.0).reshape(4, 1, 16, 2, 16, 4).mean((3, 5)).flatten(1)
    torch.testing.assert_close(found, expected)


def test_a_scenes_pixel_is_its_standardised_spectrum():
    cube = torch.rand(5, 6, 7) * 1000
    source = SceneSource(cube, patch_size=3)
    ids = torch.tensor([0, 41, 10])
    flat = cube.flatten(1)
    expected = ((flat - flat.mean(1, keepdim=True)) / flat.std(1, correction=0, keepdim=True))[:, ids].T
    found = raw_features(fit_preprocess(source, whiten=2), source, ids)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_the_window_mean_is_the_mean_of_the_encoders_input():
    source = SceneSource(torch.rand(5, 9, 8) * 1000, patch_size=9)
    preprocess = fit_preprocess(source, whiten=2, pool=3)
    ids = torch.tensor([0, 41, 10])
    torch.testing.assert_close(
        window_mean(preprocess, source, ids, batch_size=2), preprocess(source[ids]).mean((2, 3)), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("shape", [(40, 7), (9, 30)])
def test_principal_components_are_those_of_scikit_learn(shape):
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(0)) * torch.arange(1, shape[1] + 1)
    mean, directions = fit_pca(x, 5)
    reference = PCA(5).fit(x.double().numpy())
    expected = torch.from_numpy(reference.components_).float().T
    torch.testing.assert_close(mean, torch.from_numpy(reference.mean_).float())
    torch.testing.assert_close((directions * expected).sum(0).abs(), torch.ones(5), atol=1e-4, rtol=0)
    assert fit_pca(x[:4], 5)[1].shape == (shape[1], 3)


def test_a_calibrated_twin_has_the_statistics_of_the_inputs_and_the_weights_of_its_seed():
    images = torch.randint(0, 256, (300, 3, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    source = TensorSource(images)
    options = {"name": "resnet8", "in_chans": 3, "width": 4, "stem": "small"}
    network = random_encoder(9, **options)
    encoder = FrozenEncoder(network, fit_preprocess(source), {"encoder": options, "feature_dim": network.feature_dim})
    twin, plain = calibrated_twin(encoder, 1, source), encoder.random_twin(1)
    for (name, found), (_, expected) in zip(twin.named_parameters(), plain.named_parameters()):
        assert found.equal(expected), name
    before = plain.encoder.conv1(plain.preprocess(images))
    norm = twin.encoder.bn1
    torch.testing.assert_close(norm.running_mean, before.mean((0, 2, 3)), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(norm.running_var, before.var((0, 2, 3)), rtol=1e-3, atol=1e-4)
    assert not any(module.training for module in twin.modules())
    assert calibrated_twin(encoder, 1, source)(images[:2] / 255).equal(twin(images[:2] / 255))


def small_encoder(source, **preprocessing):
    preprocess = fit_preprocess(source, **preprocessing)
    options = {"name": "resnet8", "in_chans": preprocess.out_chans, "width": 4, "stem": "small"}
    network = random_encoder(9, **options)
    return FrozenEncoder(network, preprocess, {"encoder": options, "feature_dim": network.feature_dim})


@pytest.fixture
def without_autocast(monkeypatch):
    """Autocast, which preprocessing switches off, does not know the meta device."""
    monkeypatch.setattr(torch, "autocast", lambda *args, **kwargs: nullcontext())


@pytest.mark.usefixtures("without_autocast")
@pytest.mark.parametrize("baseline", [raw_features, patches, window_mean])
def test_a_scenes_baselines_are_taken_on_the_device_of_the_preprocessing(baseline):
    """Meta tensors refuse to meet those of another device, and have no values to be brought back at the end."""
    source = SceneSource(torch.rand(5, 6, 7) * 1000, patch_size=3)
    preprocess = fit_preprocess(source, whiten=2).to("meta")
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
        baseline(preprocess, source, torch.arange(4))
    assert source.device.type == "cpu"


def test_a_twin_on_another_device_leaves_the_encoders_preprocessing_where_it_is(monkeypatch):
    monkeypatch.setattr(
        "simclr.eval.subject.baselines.NORMS", ()
    )  # whose statistics are values, which meta tensors lack
    source = SceneSource(torch.rand(5, 6, 7) * 1000, patch_size=3)
    encoder = small_encoder(source)
    twin = calibrated_twin(encoder, 0, source, "meta")
    assert {tensor.device.type for tensor in twin.state_dict().values()} == {"meta"}
    assert {tensor.device.type for tensor in encoder.state_dict().values()} == {"cpu"}
