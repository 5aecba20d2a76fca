import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from simclr.eval.probes import ridge_path
from simclr.eval.probes.ridge_path import leave_one_out, principal_axes, ridge_statistics


@pytest.mark.parametrize(("n", "dim"), [(40, 6), (24, 50), (20, 20)], ids=["long", "wide", "square"])
def test_leave_one_out_error_equals_refitting_without_each_sample(n, dim):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 4
    x = rng.normal(size=(n, dim)) * np.linspace(0.2, 5, dim) + 0.6 * rng.normal(size=(4, dim))[y]
    targets = 2.0 * np.eye(4)[y] - 1.0
    alphas = np.array([1e-2, 1.0, 100.0])
    x -= x.mean(0)
    classes = torch.tensor(y)
    known = ridge_statistics(torch.tensor(x), classes, 4)
    errors, exact = leave_one_out(known, torch.tensor(x), classes, torch.tensor(alphas))
    assert bool(exact.all())
    for i, alpha in enumerate(alphas):
        left_out = []
        for j in range(n):
            keep = np.arange(n) != j
            model = Ridge(alpha=alpha, solver="svd").fit(x[keep], targets[keep])
            left_out.append((model.predict(x[j : j + 1])[0] - targets[j]) ** 2)
        assert float(errors[i]) == pytest.approx(np.mean(left_out), rel=1e-9)
        model = Ridge(alpha=alpha, solver="svd").fit(x, targets)
        weights, intercepts = known.solve(alpha)
        np.testing.assert_allclose(weights.numpy(), model.coef_.T, atol=1e-9)
        np.testing.assert_allclose(intercepts.numpy(), model.intercept_, atol=1e-9)


@pytest.mark.parametrize(("n", "dim"), [(30, 5), (5, 30), (8, 8)])
def test_principal_axes_are_a_singular_value_decomposition(n, dim):
    x = torch.randn(n, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x -= x.mean(0)
    scaled, axes, squares = principal_axes(x)
    torch.testing.assert_close(scaled @ axes.T, x, atol=1e-10, rtol=0)
    torch.testing.assert_close(scaled.T @ scaled, squares.diag(), atol=1e-8, rtol=0)
    torch.testing.assert_close(squares.flip(0)[: min(n, dim)], torch.linalg.svdvals(x).square(), atol=1e-8, rtol=0)


@pytest.mark.parametrize("n", [200, 2_000])
def test_of_many_classes_the_least_error_is_exact_and_the_others_are_bounded(n, monkeypatch):
    g = torch.Generator().manual_seed(n)
    y = torch.randint(0, 40, (n,), generator=g)
    means = torch.randn(40, 16, generator=g, dtype=torch.float64)
    x = (means[y] + 2 * torch.randn(n, 16, generator=g, dtype=torch.float64)) / torch.arange(1, 17)
    x -= x.mean(0)
    alphas = torch.logspace(-6, 5, 45, dtype=torch.float64)
    known = ridge_statistics(x, y, 40)
    found = leave_one_out(known, x, y, alphas)
    assert 1 <= int(found.exact.sum()) <= 15
    monkeypatch.setattr(ridge_path, "PASSES", 10**6)
    reference = leave_one_out(known, x, y, alphas)
    assert bool(reference.exact.all())
    torch.testing.assert_close(found.errors[found.exact], reference.errors[found.exact], rtol=1e-12, atol=0)
    assert bool((found.errors <= reference.errors * (1 + 1e-12)).all())
    assert int(found.errors.argmin()) == int(reference.errors.argmin())
    assert bool((found.errors[~found.exact] >= found.errors.min()).all())
