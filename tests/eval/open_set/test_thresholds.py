import numpy as np
import pytest
import torch
from scipy.stats import weibull_min

from simclr.errors import InputError
from simclr.eval.open_set.thresholds import HELD_OUT, gap_threshold, threshold


def test_the_quantile_is_numpys_and_the_weibull_finds_its_own_distribution():
    scores = torch.from_numpy(weibull_min.rvs(1.7, scale=3, size=4000, random_state=0))
    cut, how = threshold(scores, "quantile")
    assert cut == pytest.approx(np.quantile(scores, 0.95))
    assert how["samples"] == 4000
    cut, _ = threshold(scores, "weibull")
    assert cut == pytest.approx(weibull_min.isf(0.05, 1.7, scale=3), rel=0.02)
    # Beyond what a few scores show: a threshold for 1 % from 30 samples lies above them all, not among them.
    few = scores[:30]
    assert threshold(few, "weibull", rejected=0.001)[0] > float(few.max())
    assert threshold(few, "quantile", rejected=0.001)[0] <= float(few.max())


@pytest.mark.parametrize("kind", HELD_OUT)
def test_thresholds_move_with_the_units_of_the_score(kind):
    scores = torch.from_numpy(weibull_min.rvs(1.2, size=60, random_state=1))
    cut = threshold(scores, kind)[0]
    assert threshold(1e4 * scores - 300, kind)[0] == pytest.approx(1e4 * cut - 300, rel=1e-4)


def test_equal_or_missing_scores():
    cut, how = threshold(torch.ones(20), "weibull")
    assert (cut, how["weibull"]) == (1.0, None)
    with pytest.raises(InputError, match="none"):
        threshold(torch.empty(0), "quantile")
    with pytest.raises(InputError, match="median"):
        threshold(torch.ones(3), "median")


@pytest.mark.parametrize("kind", HELD_OUT)
def test_what_could_not_be_left_out_is_stranger_than_any_number(kind):
    scores = torch.arange(100.0).double()
    scores[-3:] = torch.inf
    assert 90 <= threshold(scores, kind)[0] < 120
    scores[-6:] = torch.inf
    assert threshold(scores, kind)[0] == torch.inf


def two_heaps(apart, n=4000, unknown=0.25, seed=0):
    """Scores of known samples, and of unknown ones that are ``apart`` times larger, in a random order."""
    g = np.random.default_rng(seed)
    strange = g.random(n) < unknown
    scores = np.exp(g.normal(size=n) * 0.5 + np.log(apart) * strange)
    return torch.from_numpy(scores), torch.from_numpy(strange)


def test_one_heap_is_cut_at_its_quantile_and_two_between_them():
    scores, _ = two_heaps(1.0)
    cut, how = gap_threshold(scores)
    assert cut == pytest.approx(np.quantile(scores, 0.95))
    assert how["gap"] is None
    scores, strange = two_heaps(20.0)
    cut, how = gap_threshold(scores)
    # Where the two densities of logarithms are equal, one expects the least between their means.
    assert 2.5 < cut < 9
    assert float((scores[strange] > cut).double().mean()) > 0.97
    assert float((scores[~strange] <= cut).double().mean()) > 0.97
    assert how["gap"] < 0.5
    # In other units, below zero, in another order: the same samples.
    moved, how = gap_threshold(scores.log().flip(0) - 40)
    assert moved == pytest.approx(np.log(cut) - 40, abs=1e-6)


def test_a_heap_of_more_than_half_is_no_unknown_class():
    scores, _ = two_heaps(20.0, unknown=0.7)
    assert gap_threshold(scores)[0] == pytest.approx(np.quantile(scores, 0.95))


def test_a_gap_needs_scores_that_differ():
    assert gap_threshold(torch.ones(50))[0] == 1.0
    assert gap_threshold(torch.zeros(1))[0] == 0.0
    with pytest.raises(InputError, match="none"):
        gap_threshold(torch.empty(0))


@pytest.mark.slow
def test_at_most_the_share_of_known_samples_is_rejected_wherever_they_lie():
    """Whatever the unknown ones are, if they score no lower."""
    for seed in range(20):
        scores, strange = two_heaps(1.0 + seed / 10, n=600, unknown=seed / 40, seed=seed)
        cut = gap_threshold(1e3 * scores)[0]
        assert float((1e3 * scores[~strange] > cut).double().mean()) < 0.05 + 0.03
