import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import digamma
from scipy.stats import norm
from sklearn.feature_selection import mutual_info_classif

from simclr.errors import InputError
from simclr.eval.metrics.mutual_information import mutual_information


def known(shift):
    """Of a normal number and which of two equally likely means it has, in nats."""

    def density(x):
        return (norm.pdf(x) + norm.pdf(x - shift)) / 2

    entropy = -quad(lambda x: density(x) * np.log(density(x)), -10, 10 + shift)[0]
    return entropy - norm.entropy()


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
    closer = [(abs(z - z[i]) < np.sort(abs(z - z[i])[of_set == of_set[i]])[k]).sum() for i in range(len(z))]
    return max(0.0, digamma(len(z)) + digamma(k) - digamma(sizes).mean() - digamma(closer).mean())


@pytest.mark.parametrize(("n", "m"), [(4, 4), (4, 9), (40, 25)])
def test_equals_the_definition_and_scikit_learn(n, m):
    generator = torch.Generator().manual_seed(n)
    a = torch.randn(n, 6, generator=generator, dtype=torch.float64)
    b = torch.randn(m, 6, generator=generator, dtype=torch.float64) + torch.arange(6) / 2
    found = mutual_information(a, b).numpy()
    expected = [by_definition(*(rows[:, i].numpy() for rows in (a, b))) for i in range(6)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    if n > 10:  # of fewer samples scikit-learn takes distances that are not exact
        library = mutual_info_classif(torch.cat([a, b]), [0] * n + [1] * m, discrete_features=False, random_state=0)
        np.testing.assert_allclose(found, library, atol=1e-12)


def test_equal_values_are_no_information():
    a = torch.zeros(300, 1)
    assert mutual_information(a, a).item() < 0.05
    assert mutual_information(a, a + 1).item() == pytest.approx(math.log(2), abs=0.02)


def test_mistakes_are_named():
    with pytest.raises(InputError, match="must have 4 rows or more"):
        mutual_information(torch.zeros(3, 2), torch.zeros(9, 2))
