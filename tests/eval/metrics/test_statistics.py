from itertools import product
from math import comb

import numpy as np
import pytest
from scipy import stats

from simclr.eval.metrics.statistics import bootstrap_interval, mcnemar_p, sign_flip_floor, sign_flip_p


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_sign_flips_are_counted_one_by_one(n):
    values = np.random.default_rng(n).normal(0.4, 1, n).round(1).tolist()  # rounding makes ties
    seen = abs(sum(values))
    far = [abs(sum(s * v for s, v in zip(signs, values))) >= seen - 1e-9 for signs in product((1, -1), repeat=n)]
    assert sign_flip_p(values) == sum(far) / 2**n


@pytest.mark.parametrize("n", [1, 2, 5, 16, 40])
def test_the_floor_is_what_differences_of_one_sign_give(n):
    assert sign_flip_floor(n) == pytest.approx(sign_flip_p([1.0] * n))


def test_sign_flips_agree_with_scipy():
    values = np.random.default_rng(0).normal(0.3, 1, 10)
    other = np.zeros(10)
    scipys = stats.permutation_test(
        (values, other), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=2**10
    )
    assert sign_flip_p(values) == pytest.approx(scipys.pvalue)


def test_many_pairs_are_sampled_close_to_the_exact_share():
    values = [1.0] * 14 + [-1.0] * 6  # the sum of signs is binomial
    exact = 2 * sum(comb(20, k) for k in range(7)) / 2**20
    assert sign_flip_p(values) == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 9_999) ** 0.5)
    assert sign_flip_p([1.0] * 40) == 1 / 10_000  # never 0


def test_no_difference_at_all():
    assert sign_flip_p([0.0] * 5) == 1.0
    assert sign_flip_p([0.0] * 20) == 1.0
    assert mcnemar_p(0, 0) == 1.0
    assert bootstrap_interval(0, 0, 100) == (0.0, 0.0)


@pytest.mark.parametrize(("a", "b"), [(0, 5), (3, 12), (7, 7), (150, 110)])
def test_mcnemar_is_the_binomial_tail_twice(a, b):
    tail = sum(comb(a + b, k) for k in range(min(a, b) + 1)) / 2 ** (a + b)
    assert mcnemar_p(a, b) == pytest.approx(min(1.0, 2 * tail))
    assert mcnemar_p(a, b) == mcnemar_p(b, a)


def test_the_bootstrap_agrees_with_scipys_over_samples():
    first = np.array([1] * 40 + [0] * 60)
    second = np.array([1] * 33 + [0] * 7 + [1] * 22 + [0] * 38)
    found = stats.bootstrap(
        (first, second),
        lambda a, b, axis: np.mean(b - a, axis=axis),
        paired=True,
        method="percentile",
        n_resamples=9_999,
    ).confidence_interval
    assert bootstrap_interval(7, 22, 100) == pytest.approx(tuple(found), abs=0.011)  # one sample is 0.01
