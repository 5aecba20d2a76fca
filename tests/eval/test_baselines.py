import torch

from eval.baselines import raw_features, window_mean
from simclr.data.preprocess import fit_preprocess
from simclr.data.scene import SceneSource
from simclr.data.tensor_source import TensorSource


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
