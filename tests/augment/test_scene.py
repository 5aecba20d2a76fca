"""Operations for any number of bands: radiation, noise, spectral jitter, band dropout, cutout."""

import math

import pytest
import torch
from scipy import stats

from simclr.augment import RandomBandDropout, RandomCutout, RandomNoise, RandomRadiation, RandomSpectralJitter
from simclr.augment.noise_field import noise_draws, noise_field
from simclr.augment.spectral_jitter import cosine_curve


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(20)


def test_radiation_is_an_illumination_and_noise():
    x = torch.randn(300, 7, 5, 5)
    op = RandomRadiation((0.8, 1.3), 0.05)
    out, drawn = op(x), op._params
    assert stats.kstest(drawn["alpha"].numpy(), stats.uniform(0.8, 0.5).cdf).pvalue > 1e-3
    noise = (out - drawn["alpha"].view(-1, 1, 1, 1) * x) / 0.05
    assert stats.kstest(noise.flatten().double().numpy(), "norm").pvalue > 1e-3
    torch.testing.assert_close(noise_field(drawn["runs"], x.shape[1:]), noise, atol=1e-4, rtol=0)


def test_noise_has_its_standard_deviation_and_no_mean():
    residual = (RandomNoise(0.3, p=1.0)(torch.full((50, 11, 9, 9), 5.0)) - 5.0).double()
    assert stats.kstest((residual / 0.3).flatten().numpy(), "norm").pvalue > 1e-3
    # Two samples have a run of 256 of their 891 numbers in common at most here and there.
    assert torch.corrcoef(residual.flatten(1)).fill_diagonal_(0).abs().max() < 0.3


def test_noise_of_two_samples_or_runs_is_unrelated():
    shape = (100, 8, 16, 16)
    noise = noise_field(torch.rand(100, noise_draws(shape[1:])), shape[1:]).double()
    assert stats.kstest(noise.flatten()[::3].numpy(), "norm").pvalue > 1e-3
    assert abs(float(noise.square().mean()) - 1) < 0.01
    # 800 runs: the correlations of unrelated runs of 256 numbers have a standard deviation of 1/16.
    runs = noise.permute(0, 2, 3, 1).reshape(-1, 256)
    related = torch.corrcoef(runs)[torch.triu_indices(len(runs), len(runs), 1).unbind()]
    assert abs(float(related.mean())) < 1e-3
    assert float(related.std()) == pytest.approx(1 / 16, rel=0.05)
    assert float((related.abs() > 0.9).double().mean()) < 1e-5
    assert torch.corrcoef(noise.flatten(2).mean(2).T).fill_diagonal_(0).abs().max() < 0.4


@pytest.mark.parametrize(("bands", "order"), [(200, 3), (50, 0), (10, 9), (3, 5), (1, 3)])
def test_curves_have_unit_mean_square_and_no_high_frequency(bands, order):
    coefficients = torch.randn(4000, order + 1)
    curve = cosine_curve(coefficients, bands)
    assert curve.shape == (4000, bands)
    assert float(curve.square().mean()) == pytest.approx(1.0, abs=0.1)
    # Independent reference: the type-II cosine transform of the curve holds the coefficients and nothing else.
    band = torch.arange(bands, dtype=torch.float64) + 0.5
    spectrum = curve.double() @ torch.cos(math.pi / bands * torch.arange(bands).view(-1, 1) * band).T
    assert spectrum[:, order + 1 :].abs().max() < 1e-3 * bands if bands > order + 1 else True


def test_spectral_jitter_is_one_gain_and_offset_a_band():
    x = torch.randn(6, 30, 4, 4)
    op = RandomSpectralJitter(0.2, 0.3, p=1.0)
    out, drawn = op(x), op._params
    for i in range(6):
        for band in (0, 13, 29):
            expected = x[i, band] * drawn["gain"][i, band] + drawn["offset"][i, band]
            torch.testing.assert_close(out[i, band], expected)
    many = op.forward_parameters((4000, 30, 4, 4))
    assert float((many["gain"] - 1).square().mean().sqrt()) == pytest.approx(0.2, rel=0.05)
    assert float(many["offset"].square().mean().sqrt()) == pytest.approx(0.3, rel=0.05)


def test_band_dropout_drops_whole_bands_at_its_rate():
    out = RandomBandDropout(0.2, p=1.0)(torch.ones(2000, 20, 3, 3))
    assert torch.equal(out.amin((2, 3)), out.amax((2, 3)))
    dropped = (out[:, :, 0, 0] == 0).float()
    assert float(dropped.mean()) == pytest.approx(0.2, abs=0.01)
    assert (dropped.mean(0) - 0.2).abs().max() < 0.05


def test_the_window_is_contiguous_and_anywhere():
    kept = RandomBandDropout(0.0, window=4, p=1.0)(torch.ones(3000, 10, 1, 1))[:, :, 0, 0]
    first = (kept == 0).int().argmax(1)
    expected = torch.ones(3000, 10)
    for offset in range(4):
        expected[torch.arange(3000), first + offset] = 0
    assert torch.equal(kept, expected)
    assert stats.chisquare(first.bincount(minlength=7).numpy()).pvalue > 1e-3


@pytest.mark.parametrize("size", [(9, 9), (8, 12)])
def test_cutout_is_a_square_that_spares_the_centre(size):
    height, width = size
    op = RandomCutout((0.05, 0.4), p=1.0)
    out, drawn = op(torch.ones(800, 2, *size)), op._params
    expected = torch.ones(800, 2, *size)
    for i, (top, left, side) in enumerate(zip(*(drawn[k].long().tolist() for k in ("top", "left", "side")))):
        assert 0 <= top <= height - side
        assert 0 <= left <= width - side
        expected[i, :, top : top + side, left : left + side] = 0
    expected[:, :, height // 2, width // 2] = 1
    assert torch.equal(out, expected)
    area = drawn["side"] ** 2 / (height * width)
    assert float(area.mean()) == pytest.approx(0.225, abs=0.03)
    assert area.max() < 0.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomRadiation((1.1, 0.9)), r"alpha is \(1.1, 0.9\), but must increase: use \[0.9, 1.1\]"),
        (lambda: RandomRadiation(beta=-1), "beta is -1"),
        (lambda: RandomNoise(sd=-0.1), "sd is -0.1"),
        (lambda: RandomNoise(p=1.2), "p is 1.2"),
        (lambda: RandomSpectralJitter(gain=float("inf")), "gain is inf"),
        (lambda: RandomSpectralJitter(order=-1), "order is -1"),
        (lambda: RandomBandDropout(fraction=2), "fraction is 2"),
        (lambda: RandomBandDropout(window=3)(torch.rand(1, 3, 2, 2)), "window is 3, but the samples have 3 bands"),
        (lambda: RandomCutout((0.0, 0.3)), "scale"),
        (lambda: RandomCutout((0.3, 1.3)), "scale"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
