"""Greyscale, blur and solarise against torchvision."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torchvision.transforms.v2 import functional as F

from simclr.augment import RandomGaussianBlur, RandomGrayscale, RandomSolarize
from simclr.augment.blur import gaussian_blur
from simclr.augment.luma import luma


def images(n, bands=3, height=19, width=23, seed=0):
    return torch.rand(n, bands, height, width, generator=torch.Generator().manual_seed(seed))


def test_grayscale_equals_torchvision():
    x = images(5)
    torch.testing.assert_close(
        RandomGrayscale(p=1.0)(x), F.rgb_to_grayscale(x, num_output_channels=3), atol=1e-6, rtol=0
    )
    assert torch.equal(luma(x[:, :1]), x[:, :1])


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([1, 3, 5, 9, 23]), st.integers(12, 40), st.integers(12, 40), st.integers(0, 10**6))
def test_blur_equals_torchvision_with_each_samples_sigma(kernel_size, height, width, seed):
    x = images(4, 2, height, width, seed)
    sigma = 0.1 + 2 * torch.rand(4, generator=torch.Generator().manual_seed(seed))
    theirs = torch.stack([F.gaussian_blur(i, kernel_size, [float(s)] * 2) for i, s in zip(x, sigma)])
    torch.testing.assert_close(gaussian_blur(x, sigma, kernel_size), theirs, atol=1e-4, rtol=0)


def test_sigma_is_uniform_in_its_range():
    sigma = RandomGaussianBlur(5, (0.5, 1.5)).forward_parameters((5000, 3, 8, 8))["sigma"]
    assert stats.kstest(sigma.numpy(), stats.uniform(0.5, 1.0).cdf).pvalue > 1e-4


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 1.0])
def test_solarize_equals_torchvision(threshold):
    x = images(5)
    x[0, :, 0] = threshold
    assert torch.equal(RandomSolarize(threshold, p=1.0)(x), F.solarize(x, threshold))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomGaussianBlur(4), "kernel_size is 4, but must be odd: use 5"),
        (lambda: RandomGaussianBlur(3, (0.0, 1.0)), "sigma"),
        (lambda: RandomGaussianBlur(3, (2.0, 1.0)), "must increase"),
        (lambda: RandomGaussianBlur(23)(images(1, height=11)), "too long for 11x23 images: use at most 21"),
        (lambda: RandomGrayscale()(images(2, bands=200, height=3, width=3)), "the samples have 200 bands"),
        (lambda: RandomSolarize()(images(2, bands=200, height=3, width=3)), "have 200"),
        (lambda: RandomSolarize(float("nan")), "threshold"),
        (lambda: RandomGrayscale(p=1.2), "p is 1.2"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
