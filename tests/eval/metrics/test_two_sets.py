import itertools

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from scipy.stats import kstest

from simclr.errors import InputError
from simclr.eval.metrics.two_sets import two_sample_test
from simclr.losses.mmd import FACTORS, mmd


def rows(n, dim, seed=0, shift=0.0):
    return shift + torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_statistic_is_that_of_the_training_term():
    a, b = rows(15, 3), rows(9, 3, 1, 0.3)
    for factors in ((1.0,), FACTORS):
        assert two_sample_test(a, b, factors=factors).mmd == pytest.approx(mmd(a, b, factors=factors).item(), rel=1e-12)


def test_the_bandwidth_is_the_median_distance():
    a, b = rows(15, 3), rows(8, 3, 1, 0.3)
    assert two_sample_test(a, b, permutations=0).bandwidth == pytest.approx(
        np.median(pdist(torch.cat([a, b]))), abs=1e-12
    )


def test_p_is_the_share_of_all_partitions():
    a, b = rows(4, 2), rows(5, 2, 1, 1.5)
    z = torch.cat([a, b])
    seen = mmd(a, b).item()
    values = []
    for first in itertools.combinations(range(9), 4):
        others = [i for i in range(9) if i not in first]
        values.append(mmd(z[list(first)], z[others]).item())
    exact = np.mean(np.array(values) >= seen - 1e-12)
    found = two_sample_test(a, b, permutations=20_000)
    assert found.p == pytest.approx(exact, abs=4 * (exact / 20_000) ** 0.5)


def test_draws_follow_the_seed_alone_and_chunks_change_nothing(monkeypatch):
    a, b = rows(20, 3), rows(20, 3, 1, 0.2)
    first = two_sample_test(a, b, seed=1)
    torch.manual_seed(5)
    assert two_sample_test(a, b, seed=1) == first
    assert two_sample_test(a, b, seed=2).p != first.p
    monkeypatch.setattr("simclr.eval.metrics.two_sets._AT_ONCE", 100)
    assert two_sample_test(a, b, seed=1).p == first.p


def test_far_sets_have_the_least_p():
    assert two_sample_test(rows(30, 4), rows(30, 4, 1, 2.0), permutations=199).p == 1 / 200


@pytest.mark.slow
def test_p_is_uniform_under_the_null_and_small_under_an_alternative():
    null = [two_sample_test(rows(15, 3, 2 * i), rows(12, 3, 2 * i + 1), permutations=199, seed=i).p for i in range(500)]
    assert kstest(null, "uniform").pvalue > 0.01
    assert abs(np.mean(np.array(null) <= 0.05) - 0.05) < 3 * (0.05 * 0.95 / 500) ** 0.5
    power = {}
    for shift in (0.25, 0.5, 1.0):
        found = [
            two_sample_test(rows(30, 3, 2 * i), rows(30, 3, 2 * i + 1, shift), permutations=199, seed=i).p
            for i in range(100)
        ]
        power[shift] = np.mean(np.array(found) <= 0.05)
    assert power[0.25] > 0.15
    assert power[0.5] > 0.7
    assert power[1.0] == 1.0


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (rows(1, 3), rows(4, 3), r"the first set has shape \(1, 3\), but must have 2 rows or more"),
        (rows(4, 3), rows(4, 3)[0], r"the second set has shape \(3,\)"),
        (rows(4, 3), rows(4, 3) / 0, "the second set holds NaN or infinity"),
        (rows(4, 3), rows(4, 2), "the sets have 3 and 2 features: take both from one encoder"),
    ],
)
def test_mistakes_are_named(a, b, message):
    with pytest.raises(InputError, match=message):
        two_sample_test(a, b)
