import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from simclr.errors import InputError
from simclr.eval.metrics.frechet import frechet_distance


def rows(n, dim, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, dim, generator=generator, dtype=torch.float64) @ torch.randn(
        dim, dim, generator=generator, dtype=torch.float64
    )


@pytest.mark.parametrize(("n", "m", "dim"), [(50, 40, 6), (200, 30, 3), (30, 30, 1)])
def test_equals_its_formula_with_scipys_root(n, m, dim):
    a, b = rows(n, dim), rows(m, dim, 1) + 1
    ca, cb = (np.atleast_2d(np.cov(x.numpy(), rowvar=False)) for x in (a, b))
    apart = ((a.mean(0) - b.mean(0)) ** 2).sum().item()
    expected = apart + np.trace(ca) + np.trace(cb) - 2 * np.trace(np.real(sqrtm(ca @ cb)))
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_fewer_samples_than_features_keep_the_digits():
    """Of two sets on two lines it is known: ‖Δμ‖² + (s − t)² on one line, s² + t² at right angles."""
    x = torch.linspace(-1, 1, 5, dtype=torch.float64)
    s = x.std().item()
    line = torch.zeros(5, 50, dtype=torch.float64)
    line[:, 7] = x
    across = torch.zeros(5, 50, dtype=torch.float64)
    across[:, 20] = 3 * x
    assert frechet_distance(line, 4 * line + 1) == pytest.approx(50 + (3 * s) ** 2, rel=1e-12)
    assert frechet_distance(line, across) == pytest.approx(10 * s**2, rel=1e-12)
    assert frechet_distance(line, line) == pytest.approx(0.0, abs=1e-12)


def test_mistakes_are_named():
    with pytest.raises(InputError, match="the sets have 3 and 2 features"):
        frechet_distance(rows(5, 3), rows(5, 2))
