import numpy as np
import pytest
import torch

from simclr.augment.addressed import permutation
from simclr.eval.results.distance_rows import Amounts, compared
from simclr.eval.streams import Stream
from simclr.eval.subject.set_features import FeaturePair
from simclr.losses.mmd import mmd


def rows(n, dim, seed=0, shift=0.0):
    return shift + torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_measures_are_of_halves_of_the_first_and_as_many_of_the_second():
    a, b = rows(41, 1), rows(30, 1, 1, 0.5)
    found = compared(FeaturePair("raw", None, a, b), Amounts(angles=3, permutations=19, splits=3, seed=7))

    def frechet(x, y):  # of two normal numbers
        return (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2

    between, null = [], []
    for split in range(3):
        of_a = permutation(7, Stream.HALVES + 2 * split, 41).numpy()
        of_b = permutation(7, Stream.HALVES + 2 * split + 1, 30).numpy()
        first, second, other = (x[:, 0].numpy() for x in (a[of_a[:20]], a[of_a[20:40]], b[of_b[:20]]))
        between.append(frechet(first, other))
        null.append(frechet(first, second))
    for compare, expected in ((found.between, between), (found.null, null)):
        assert [one.frechet for one in compare.per_split] == pytest.approx(expected, abs=1e-9)
        assert compare.mean.frechet == pytest.approx(np.mean(expected), abs=1e-9)
        assert compare.sd.frechet == pytest.approx(np.std(expected, ddof=1), abs=1e-9)
        assert (compare.mean.angles, compare.mean.angle_mean, compare.mean.grassmann) == ((), None, None)


def test_the_test_is_of_all_samples():
    a, b = rows(40, 6), rows(30, 6, 1, 1.0)
    found = compared(FeaturePair("raw", None, a, b), Amounts(angles=2, permutations=99, splits=1, seed=0))
    assert found.between.test.samples == (40, 30)
    assert found.between.test.mmd == pytest.approx(mmd(a, b).item())
    assert found.between.test.p == 1 / 100
    assert found.null.test.samples == (20, 20)
    assert found.null.test.p > 0.05
    assert found.between.sd is None
    mean = found.between.mean
    assert mean.angle_mean == pytest.approx(np.mean(mean.angles))
    assert mean.angles[0] <= mean.angles[1] <= 90
    assert mean.grassmann == pytest.approx(np.linalg.norm(np.radians(mean.angles)))
    assert 0 < mean.information_mean <= mean.information_most
