import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from simclr.errors import InputError
from simclr.eval.metrics.calibration import ece, ece_scaled, expected_calibration_error, fit_temperature
from simclr.eval.metrics.judgement import Judgement


def by_bins(confidence, right, bins):
    """Guo et al., eq. 3, bin by bin."""
    total = 0.0
    for b in range(bins):
        inside = (confidence > b / bins) & (confidence <= (b + 1) / bins)
        if b == 0:
            inside |= confidence == 0
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


@settings(max_examples=60, deadline=None)
@given(
    samples=st.lists(st.tuples(st.integers(0, 24), st.booleans()), min_size=1, max_size=60),
    bins=st.sampled_from([1, 3, 8, 10]),
)
def test_ece_equals_the_formula_bin_by_bin(samples, bins):
    # Quarters of eighths fall on edges, on purpose; 0 and 1 occur.
    confidence, right = np.array([c / 24 for c, _ in samples]), np.array([r for _, r in samples], dtype=float)
    found = expected_calibration_error(torch.tensor(confidence), torch.tensor(right) > 0, bins)
    edges = np.linspace(0, 1, bins + 1)
    near = np.abs(confidence[:, None] - edges).min(1) < 1e-12
    # An edge such as 1/3 has no exact binary form: only exact ones may be compared.
    if not (near & ~np.isin(confidence, edges)).any():
        assert found == pytest.approx(by_bins(confidence, right, bins), abs=1e-12)


def test_a_worked_example():
    # Two bins: {0.2, 0.4} with one right, |1/2 - 0.3| = 0.2; {0.9, 1.0} with one right, |1/2 - 0.95| = 0.45.
    confidence, right = torch.tensor([0.2, 0.4, 0.9, 1.0]), torch.tensor([True, False, False, True])
    assert expected_calibration_error(confidence, right, bins=2) == pytest.approx((0.2 + 0.45) / 2)


def test_temperature_undoes_a_scale_of_the_logits():
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(20_000, 5, generator=g) * 2
    labels = torch.multinomial(logits.softmax(1), 1, generator=g).flatten()
    assert fit_temperature(logits * 3, labels) == pytest.approx(3, rel=0.05)
    scaled = logits * 3
    judged = Judgement(labels, scaled.argmax(1), scaled, fit_temperature(scaled, labels))
    assert ece(judged) > 0.1
    assert ece_scaled(judged) < 0.02


def sure(n, scale, seed=1):
    """Logits that are ``scale`` times those of the labels' probabilities."""
    g = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, 4, generator=g).double()
    return scale * logits, torch.multinomial(logits.softmax(1), 1, generator=g).flatten()


@pytest.mark.parametrize("scale", [0.3, 0.5, 2.0, 4.0])
def test_the_temperature_is_the_end_of_the_interval_of_a_fine_grid_that_is_nearest_1(scale):
    logits, labels = sure(80, scale)
    keep = torch.ones(80, dtype=torch.bool)
    if scale > 1:
        keep[torch.nn.functional.cross_entropy(logits, labels, reduction="none").argmax()] = False
    grid = torch.logspace(-1, 1, 4001, dtype=torch.float64)
    logits_of = [torch.distributions.Categorical(logits=logits[keep] / t) for t in grid]
    likelihood = torch.stack([d.log_prob(labels[keep]).sum() for d in logits_of])
    inside = grid[likelihood >= likelihood.max() - chi2.ppf(0.95, 1) / 2]
    assert inside.min() > 1 or inside.max() < 1
    expected = inside.min() if scale > 1 else inside.max()
    assert fit_temperature(logits, labels) == pytest.approx(float(expected), rel=3e-3)


def test_a_handful_of_samples_and_one_outlier_change_nothing():
    logits, labels = sure(12, 1.0)
    assert fit_temperature(logits, labels) == 1
    assert fit_temperature(logits[:1], labels[:1]) == 1
    logits, labels = sure(200, 1.0)
    logits[0, labels[0]] -= 1e3
    assert fit_temperature(logits, labels) == 1
    logits, labels = sure(200, 3.0)
    alone = fit_temperature(logits[1:], labels[1:])
    logits[0, labels[0]] -= 1e3
    assert alone > 2
    assert fit_temperature(logits, labels) == pytest.approx(alone, rel=0.1)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.sampled_from([0.01, 0.5, 1.0, 3.0, 100.0]), st.integers(0, 10**6))
def test_it_is_never_less_likely_than_the_plain_one_where_it_was_fitted_and_bounded(n, scale, seed):
    logits, labels = sure(n, scale, seed)
    temperature = fit_temperature(logits, labels)
    plain, scaled = (torch.nn.functional.cross_entropy(logits / t, labels) for t in (1.0, temperature))
    assert scaled <= plain * (1 + 1e-9)
    assert 1 / 20 <= temperature <= 20


@pytest.mark.parametrize(
    ("confidence", "right", "bins"),
    [([], [], 15), ([0.5], [True, False], 15), ([1.5], [True], 15), ([float("nan")], [True], 15), ([0.5], [True], 0)],
)
def test_bad_input_is_named(confidence, right, bins):
    with pytest.raises(InputError):
        expected_calibration_error(torch.tensor(confidence), torch.tensor(right, dtype=torch.bool), bins)
