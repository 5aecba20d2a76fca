import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from simclr.eval.probes.ridge_path import principal_axes, ridge_path


@pytest.mark.parametrize(("n", "dim"), [(40, 6), (24, 50), (20, 20)], ids=["long", "wide", "square"])
def test_leave_one_out_error_equals_refitting_without_each_sample(n, dim):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 4
    x = rng.normal(size=(n, dim)) * np.linspace(0.2, 5, dim) + 0.6 * rng.normal(size=(4, dim))[y]
    targets = 2.0 * np.eye(4)[y] - 1.0
    alphas = np.array([1e-2, 1.0, 100.0])
    errors, weights, intercepts = ridge_path(torch.tensor(x), torch.tensor(targets), torch.tensor(alphas))
    for i, alpha in enumerate(alphas):
        left_out = []
        for j in range(n):
            keep = np.arange(n) != j
            model = Ridge(alpha=alpha, solver="svd").fit(x[keep], targets[keep])
            left_out.append((model.predict(x[j : j + 1])[0] - targets[j]) ** 2)
        assert float(errors[i]) == pytest.approx(np.mean(left_out), rel=1e-9)
        model = Ridge(alpha=alpha, solver="svd").fit(x, targets)
        np.testing.assert_allclose(weights[i].numpy(), model.coef_.T, atol=1e-9)
        np.testing.assert_allclose(intercepts[i].numpy(), model.intercept_, atol=1e-9)


@pytest.mark.parametrize(("n", "dim"), [(30, 5), (5, 30), (8, 8)])
def test_principal_axes_are_a_singular_value_decomposition(n, dim):
    x = torch.randn(n, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x -= x.mean(0)
    scaled, axes, squares = principal_axes(x)
    torch.testing.assert_close(scaled @ axes.T, x, atol=1e-10, rtol=0)
    torch.testing.assert_close(scaled.T @ scaled, squares.diag(), atol=1e-8, rtol=0)
    torch.testing.assert_close(squares.flip(0)[: min(n, dim)], torch.linalg.svdvals(x).square(), atol=1e-8, rtol=0)
