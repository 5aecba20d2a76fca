import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import digamma
from scipy.stats import entropy, norm
from sklearn.feature_selection import mutual_info_classif

from simclr.errors import InputError
from simclr.eval.metrics.mutual_information import mutual_information


def known(shift):
    """Of a normal number and which of two equally likely means it has, in nats."""

    def density(x):
        return (norm.pdf(x) + norm.pdf(x - shift)) / 2

    whole = -quad(lambda x: density(x) * np.log(density(x)), -10, 10 + shift)[0]
    return whole - norm.entropy()


def test_equals_the_integral_for_two_gaussians():
    generator = torch.Generator().manual_seed(0)
    shifts = [0.0, 1.0, 2.0, 6.0]
    a = torch.randn(2000, 4, generator=generator)
    b = torch.randn(2000, 4, generator=generator) + torch.tensor(shifts)
    found = mutual_information(a, b)
    assert found.tolist() == pytest.approx([known(shift) for shift in shifts], abs=0.03)
    assert found[3].item() == pytest.approx(math.log(2), abs=0.01)
    assert torch.equal(found, mutual_information(a, b))


def by_definition(x, y, k=3):
    """Ross's estimate, sample by sample."""
    z, of_set = np.concatenate([x, y]), np.repeat([0, 1], [len(x), len(y)])
    sizes = np.bincount(of_set)[of_set]
    own, closer = [], []
    for i in range(len(z)):
        far, mine = abs(z - z[i]), of_set == of_set[i]
        radius = np.sort(far[mine])[k]
        inside = far < radius if radius else far == 0
        own.append((inside & mine).sum())
        closer.append(inside.sum())
    found = digamma(len(z)) + digamma(own).mean() - digamma(sizes).mean() - digamma(closer).mean()
    return np.clip(found, 0.0, entropy(np.bincount(of_set)))


@pytest.mark.parametrize(("n", "m"), [(4, 4), (4, 9), (40, 25)])
def test_equals_the_definition_and_scikit_learn(n, m):
    generator = torch.Generator().manual_seed(n)
    a = torch.randn(n, 6, generator=generator, dtype=torch.float64)
    b = torch.randn(m, 6, generator=generator, dtype=torch.float64) + torch.arange(6) / 2
    found = mutual_information(a, b).numpy()
    expected = [by_definition(*(rows[:, i].numpy() for rows in (a, b))) for i in range(6)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    coarse = [rows.mul(2).round().relu() for rows in (a, b)]
    expected = [by_definition(*(rows[:, i].numpy() for rows in coarse)) for i in range(6)]
    np.testing.assert_allclose(mutual_information(*coarse).numpy(), expected, atol=1e-12)
    if n > 10:  # of fewer samples scikit-learn takes distances that are not exact
        library = mutual_info_classif(torch.cat([a, b]), [0] * n + [1] * m, discrete_features=False, random_state=0)
        np.testing.assert_allclose(found, library, atol=1e-12)


def test_one_value_tells_nothing_and_two_tell_all():
    a = torch.full((300, 1), 0.3)
    assert mutual_information(a, a[:40]).item() == 0
    nearly = a.clone()
    nearly[::3] = torch.nextafter(a, a + 1)[::3]
    assert mutual_information(a, nearly).item() == 0  # rounding
    assert mutual_information(a, a + 1).item() == pytest.approx(math.log(2), abs=1e-9)
    assert mutual_information(a, a[:100] + 1).item() == pytest.approx(entropy([3, 1]), abs=1e-9)


def test_a_feature_of_two_values_is_counted():
    ones = torch.tensor([[90, 60], [20, 20]])  # of 100 of A and 100 of B, two features
    a, b = ((torch.arange(100)[:, None] < row).double() for row in ones)
    table = torch.stack([ones, 100 - ones]).double() / 200
    plain = (table * (table / (table.sum(1, keepdim=True) * 0.5)).log()).sum((0, 1))
    np.testing.assert_allclose(mutual_information(a, b).numpy(), plain, atol=0.005)


def test_mostly_zero_features_of_one_distribution_tell_nearly_nothing():
    a, b = (torch.randn(2, 200, 300, generator=torch.Generator().manual_seed(0)) - 2).relu()
    assert mutual_information(a, b).mean().item() < 0.003


def test_mistakes_are_named():
    with pytest.raises(InputError, match="must have 4 rows or more"):
        mutual_information(torch.zeros(3, 2), torch.zeros(9, 2))
