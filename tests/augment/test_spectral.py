"""Operations along the spectral axis, noise shaped by band, mixtures and virtual samples."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.ndimage import gaussian_filter1d

from simclr.augment import (
    RandomCutout,
    RandomNeighbourMixture,
    RandomNoise,
    RandomResizedCrop,
    RandomSpectralShift,
    RandomSpectralSmoothing,
    virtual_sample,
    virtual_samples,
)
from simclr.augment.neighbour_mixture import mixture
from simclr.augment.spectral_axis import SpectralAxis, segments
from simclr.augment.virtual_samples import same_class_pairs

CPU = torch.device("cpu")
# Two spectrometers that overlap, and a gap where water absorbs.
WAVELENGTHS = [*np.arange(400.0, 500.0, 10.0), *np.arange(488.0, 600.0, 9.0), *np.arange(700.0, 760.0, 10.0)]
RUNS = [slice(0, 10), slice(10, 23), slice(23, 29)]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(21)


def test_runs_end_at_gaps_and_where_spectrometers_overlap():
    expected = np.repeat([0, 1, 2], [10, 13, 6])
    assert segments(torch.tensor(WAVELENGTHS)).tolist() == expected.tolist()
    assert segments(torch.arange(5.0)).tolist() == [0] * 5
    # One missing band is no gap; three are.
    assert segments(torch.tensor([0.0, 1, 2, 4, 5, 9, 10, 11])).tolist() == [0, 0, 0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("wavelengths", [None, WAVELENGTHS])
def test_a_shift_is_numpys_interpolation_within_each_run(wavelengths):
    bands, largest = len(WAVELENGTHS), 2.5 if wavelengths is None else 25.0
    x = torch.randn(40, bands, 3, 2, dtype=torch.float64)
    op = RandomSpectralShift(largest, wavelengths, p=1.0)
    out, drawn = op(x).numpy(), op._params["shift"].numpy()
    assert stats.kstest(op.forward_parameters((2000, bands, 1, 1))["shift"], stats.uniform(-largest, 2 * largest).cdf)[
        1
    ] > (1e-3)
    positions = np.arange(bands) if wavelengths is None else np.array(wavelengths)
    for i in (0, 7, 39):
        for run in [slice(0, bands)] if wavelengths is None else RUNS:
            for row, column in ((0, 0), (2, 1)):
                spectrum = x[i, run, row, column].numpy()
                expected = np.interp(positions[run] + float(drawn[i]), positions[run], spectrum)
                np.testing.assert_allclose(out[i, run, row, column], expected, atol=1e-6)


@pytest.mark.parametrize("wavelengths", [None, WAVELENGTHS])
def test_smoothing_is_scipys_gaussian_within_each_run(wavelengths):
    bands = len(WAVELENGTHS)
    x = torch.randn(6, bands, 2, 2, dtype=torch.float64)
    op = RandomSpectralSmoothing((0.5, 3.0) if wavelengths is None else (5.0, 30.0), wavelengths, p=1.0)
    out, sigma = op(x).numpy(), op._params["sigma"].numpy()
    for run, step in [(slice(0, bands), 1.0)] if wavelengths is None else list(zip(RUNS, (10.0, 9.0, 10.0))):
        for i in range(6):
            options = {"sigma": float(sigma[i]) / step, "mode": "constant", "truncate": 12.0}
            whole = gaussian_filter1d(np.ones(run.stop - run.start), **options)
            expected = gaussian_filter1d(x[i, run].numpy(), axis=0, **options) / whole[:, None, None]
            np.testing.assert_allclose(out[i, run], expected, atol=1e-6)


def test_nothing_crosses_a_gap():
    x = torch.zeros(4, len(WAVELENGTHS), 1, 1)
    x[:, RUNS[1]] = 1000.0
    for op in (RandomSpectralShift(300.0, WAVELENGTHS, p=1.0), RandomSpectralSmoothing((200.0, 300), WAVELENGTHS, p=1)):
        torch.testing.assert_close(op(x), x)


@pytest.mark.parametrize("wavelengths", [[500.0, 400, 300], [400.0, float("nan"), 500], [-1.0, 2, 3]])
def test_wavelengths_that_make_no_axis_are_refused(wavelengths):
    with pytest.raises(ValueError, match="wavelengths"):
        RandomSpectralShift(1.0, wavelengths)
    with pytest.raises(ValueError, match="3 wavelengths, but 4 bands"):
        SpectralAxis([1.0, 2.0, 3.0]).on(4, CPU)


def test_noise_has_the_standard_deviation_of_each_band():
    sd = [0.0, 0.1, 0.7, 2.0]
    out = RandomNoise(sd, p=1.0)(torch.full((200, 4, 9, 9), 5.0)) - 5.0
    measured = out.std((0, 2, 3))
    torch.testing.assert_close(measured, torch.tensor(sd), rtol=0.02, atol=1e-7)
    with pytest.raises(ValueError, match="sd has 4 values, but the samples have 3 bands"):
        RandomNoise(sd)(torch.rand(1, 3, 2, 2))


def test_a_mixture_is_a_weighted_mean_with_its_neighbour():
    x, others = torch.randn(50, 4, 3, 3), torch.randn(50, 4, 3, 3)
    op = RandomNeighbourMixture((0.6, 0.9), p=0.5)
    uniforms = torch.rand(50, 3)
    out = op.mix(x, others, op.draw(uniforms, x.shape))
    for i in range(50):
        share = 0.6 + 0.3 * float(uniforms[i, 1]) if uniforms[i, 0] < 0.5 else 1.0
        np.testing.assert_allclose(out[i], share * x[i].numpy() + (1 - share) * others[i].numpy(), atol=1e-6)
    alone, drawn = RandomNeighbourMixture(p=1.0), None
    out, drawn = alone(x), alone._params
    partner = (drawn["partner"].double() * 50).long()
    assert partner.unique().numel() > 20
    torch.testing.assert_close(out, mixture(x, x[partner], drawn["alpha"]))


def test_virtual_samples_stay_in_their_class():
    labels = torch.tensor([7, 2, 2, 7, 5, 2])
    first, second = same_class_pairs(labels, 6000, torch.Generator().manual_seed(0))
    assert torch.equal(labels[first], labels[second])
    assert stats.chisquare(first.bincount(minlength=6).numpy()).pvalue > 1e-3
    partners = second[first == 1].bincount(minlength=6)
    assert partners[[0, 3, 4]].sum() == 0
    assert stats.chisquare(partners[[1, 2, 5]].numpy()).pvalue > 1e-3

    x = torch.randn(2, 3, 4, 4)
    alpha, noise = torch.tensor([0.25, 1.0]), torch.randn(2, 3, 4, 4)
    out = virtual_sample(x, x.flip(0), alpha, 0.5, noise)
    np.testing.assert_allclose(out[0], 0.25 * x[0].numpy() + 0.75 * x[1].numpy() + 0.5 * noise[0].numpy(), atol=1e-6)
    np.testing.assert_allclose(out[1], x[1].numpy() + 0.5 * noise[1].numpy(), atol=1e-6)

    # Constant classes: without noise a mixture of one class is that class.
    levels = labels.float()[:, None, None, None].expand(6, 3, 4, 4)
    mixed, classes = virtual_samples(levels, labels, 40, beta=0.0, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(mixed, classes.float()[:, None, None, None].expand(40, 3, 4, 4))
    noisy, classes = virtual_samples(levels, labels, 400, beta=0.3)
    assert float((noisy - classes.view(-1, 1, 1, 1)).std()) == pytest.approx(0.3, rel=0.02)
    with pytest.raises(ValueError, match="no labelled samples"):
        virtual_samples(x[:0], labels[:0], 3)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(2, 17),
    width=st.integers(2, 17),
    low=st.floats(0.01, 0.9),
    stretch=st.floats(1.0, 6.0),
    seed=st.integers(0, 2**31),
)
def test_the_centre_pixel_is_neither_cropped_away_nor_masked(height, width, low, stretch, seed):
    torch.manual_seed(seed)
    crop = RandomResizedCrop(1, (low, 1.0), (1 / stretch, stretch), keep_center=True)
    box = crop.forward_parameters((64, 1, height, width))
    for start, length, centre, size in (("top", "height", height // 2, height), ("left", "width", width // 2, width)):
        assert bool((box[start] >= 0).all())
        assert bool((box[start] + box[length] <= size).all())
        assert bool((box[start] <= centre).all())
        assert bool((box[start] + box[length] > centre).all())
    x = torch.rand(64, 1, height, width) + 0.5
    masked = RandomCutout((low, 1.0), p=1.0)(x)
    assert torch.equal(masked[..., height // 2, width // 2], x[..., height // 2, width // 2])


def test_boxes_that_keep_the_centre_are_uniform_over_the_places_that_do():
    crop = RandomResizedCrop(3, (9 / 81, 9 / 81), (1.0, 1.0), keep_center=True)
    box = crop.forward_parameters((3000, 1, 9, 9))
    assert set(box["height"].tolist()) == {3}
    for side in ("top", "left"):
        counts = box[side].bincount(minlength=9)
        assert counts[[0, 1, 5, 6, 7, 8]].sum() == 0
        assert stats.chisquare(counts[2:5].numpy()).pvalue > 1e-3
