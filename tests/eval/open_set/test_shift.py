import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from simclr.eval.open_set.shift import score_shift


def drawn(n, m, unknown=0.0, moved=0.0, seed=0):
    """Held-out scores and test scores, of which a share is of unknown samples and the others may have moved."""
    g = np.random.default_rng(seed)
    test = g.normal(size=m) + moved + 6 * (g.random(m) < unknown)
    return torch.from_numpy(g.normal(size=n)), torch.from_numpy(test)


def test_the_difference_is_that_of_kolmogorov_and_smirnov():
    held_out, test = drawn(50, 400, unknown=0.3)
    expected = ks_2samp(held_out.numpy(), test.numpy(), alternative="greater").statistic
    assert score_shift(held_out, test, 50).ks == pytest.approx(expected)


def test_unknown_samples_alone_are_explained_by_their_share():
    for share in (0.0, 0.2, 0.4):
        shift = score_shift(*drawn(2000, 4000, unknown=share), 2000)
        assert share - 0.12 <= shift.unknown_needed <= share + 1e-9
    # At a confidence of 95 %: hardly ever more than there are.
    over = [score_shift(*drawn(40, 300, unknown=0.3, seed=s), 40).unknown_needed > 0.3 for s in range(200)]
    assert np.mean(over) <= 0.05


def test_known_samples_that_moved_need_more_unknown_ones_than_there_are():
    assert score_shift(*drawn(100, 1000, unknown=0.2, moved=5.0), 100).unknown_needed > 0.9
    assert score_shift(*drawn(100, 1000, unknown=0.2, moved=-5.0), 100).unknown_needed == 0.0
    # Few units say little, whatever the number of samples.
    assert score_shift(*drawn(100, 1000, unknown=0.2, moved=5.0), 1).unknown_needed == 0.0
