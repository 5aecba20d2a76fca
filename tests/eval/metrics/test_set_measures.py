import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm, subspace_angles

from simclr.eval.metrics.mutual_information import mutual_information
from simclr.eval.metrics.set_measures import set_measures


def rows(n, dim, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, dim, generator=generator, dtype=torch.float64) * torch.arange(1, dim + 1)


def main_directions(h, dims):
    return np.linalg.svd(h - h.mean(0), full_matrices=False)[2][:dims].T


def test_each_measure_against_numpy_and_scipy():
    a, b = rows(60, 8), rows(60, 8, 1) + 0.5
    (found,) = set_measures([(a, b)], 3)
    x, y = a.numpy(), b.numpy()
    angles = np.sort(subspace_angles(main_directions(x, 3), main_directions(y, 3)))
    np.testing.assert_allclose(found.angles.numpy(), angles, atol=1e-9)
    assert found.grassmann == pytest.approx(np.linalg.norm(angles))
    c, d = np.cov(x.T), np.cov(y.T)
    apart = ((x.mean(0) - y.mean(0)) ** 2).sum()
    frechet = apart + np.trace(c + d - 2 * sqrtm(c @ d).real)
    assert found.frechet == pytest.approx(frechet)
    assert found.frechet_share == pytest.approx(frechet / (apart + np.trace(c + d)))
    assert torch.equal(found.information, mutual_information(a, b))


def test_a_change_of_scale_alters_the_distance_and_not_its_share():
    a, b = rows(50, 4), 1.5 * rows(50, 4, 1)
    first, second = (set_measures([(s * a, s * b)], 2)[0] for s in (1, 10))
    assert second.frechet == pytest.approx(100 * first.frechet)
    assert second.frechet_share == pytest.approx(first.frechet_share)
    far = set_measures([(a, a + 1e4)], 2)[0]
    assert far.frechet_share == pytest.approx(1, abs=1e-5)
    assert set_measures([(a, a)], 2)[0].frechet_share == pytest.approx(0, abs=1e-9)


def test_all_pairs_have_as_many_angles_as_the_poorest_set_has_directions():
    poor = rows(20, 8)
    poor[:, 2:] = 0
    found = set_measures([(rows(20, 8, 1), rows(20, 8, 2)), (poor, rows(20, 8, 3))], 10)
    assert [len(one.angles) for one in found] == [2, 2]
    assert len(set_measures([(rows(20, 8), rows(20, 8, 1))], 10)[0].angles) == 4  # half of the features
    nothing = set_measures([(rows(20, 1), rows(20, 1, 1))], 10)[0]
    assert len(nothing.angles) == 0
    assert nothing.grassmann is None
    constant = set_measures([(torch.ones(5, 4), torch.ones(5, 4))], 2)[0]
    assert (len(constant.angles), constant.frechet, constant.frechet_share) == (0, 0.0, 0.0)
