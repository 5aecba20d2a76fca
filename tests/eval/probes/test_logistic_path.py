import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from simclr.eval.probes import logistic_path as module
from simclr.eval.probes.logistic_path import logistic_path
from simclr.eval.probes.logistic_problem import LOGITS_AT_ONCE


def data(n, dim, classes, seed=0, spread=0.6):
    """Standardised features with a decaying spectrum; the first class has more samples than the others."""
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), rng.integers(0, classes + 1, n - classes) % classes])
    x = rng.normal(size=(n, dim)) / np.arange(1, dim + 1) + spread * rng.normal(size=(classes, dim))[y]
    x = x @ np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    return torch.tensor((x - x.mean(0)) / x.std(0)), torch.tensor(y)


def objective(x, y, weights, intercepts, penalty):
    z = x @ weights + intercepts
    loss = torch.nn.functional.cross_entropy(z, y, reduction="sum") + penalty / 2 * weights.square().sum()
    return float(loss / len(x))


def exact(x, y, penalty):
    """scikit-learn's Newton solver, to the last digits."""
    factor = 2 if int(y.max()) == 1 else 1
    model = LogisticRegression(C=factor / penalty, solver="newton-cholesky", tol=1e-13, max_iter=1000)
    with warnings.catch_warnings():
        # Its line search stops at the last digits.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(x.numpy(), y.numpy())


@pytest.mark.parametrize(
    ("n", "dim", "classes"), [(300, 8, 4), (300, 8, 2), (40, 60, 3)], ids=["long", "two classes", "wide"]
)
def test_coefficients_equal_scikit_learns_tight_solution(n, dim, classes):
    x, y = data(n, dim, classes)
    penalties = torch.logspace(4, -2, 7, dtype=torch.float64)
    path = logistic_path(x, y, classes, penalties, max_gap=1e-12)
    for i, penalty in enumerate(penalties.tolist()):
        model = exact(x, y, penalty)
        ours, bias = path.weights[i].T.numpy(), path.intercepts[i].numpy()
        if classes == 2:
            ours, bias = ours[1:] - ours[:1], bias[1:] - bias[:1]
        np.testing.assert_allclose(ours, model.coef_, atol=2e-5 * np.abs(model.coef_).max())
        np.testing.assert_allclose(bias, model.intercept_, atol=2e-5 * np.abs(model.intercept_).max())


def test_all_45_are_proven_and_the_proof_holds():
    x, y = data(400, 10, 3, spread=0.3)
    penalties = torch.logspace(5, -6, 45, dtype=torch.float64)
    path = logistic_path(x, y, 3, penalties, max_gap=1e-6)
    assert float(path.gaps.max()) <= 1e-6
    for i in range(0, 45, 4):
        found = objective(x, y, path.weights[i], path.intercepts[i], float(penalties[i]))
        assert float(path.objectives[i]) == pytest.approx(found, rel=1e-12)
        model = exact(x, y, float(penalties[i]))
        least = objective(x, y, torch.tensor(model.coef_.T), torch.tensor(model.intercept_), float(penalties[i]))
        assert found - least <= float(path.gaps[i]) * found + 1e-13
    assert float(path.weights.sum(2).abs().max()) < 1e-9


def test_separable_classes_are_solved_too():
    x, y = data(60, 30, 3, spread=3.0)
    path = logistic_path(x, y, 3, torch.logspace(2, -6, 9, dtype=torch.float64))
    assert float(path.gaps.max()) <= 1e-6
    assert float(path.objectives[-1]) < 1e-6
    assert ((x @ path.weights[-1] + path.intercepts[-1]).argmax(1) == y).all()


def test_constant_and_repeated_features_do_no_harm():
    x, y = data(80, 5, 3)
    twice = torch.cat([x, x, torch.zeros(80, 1, dtype=torch.float64)], 1)
    penalty = torch.tensor([1.0], dtype=torch.float64)
    # Two equal features share the weight of one, at half the penalty.
    path, single = logistic_path(twice, y, 3, 2 * penalty, 1e-12), logistic_path(x, y, 3, penalty, 1e-12)
    torch.testing.assert_close(2 * path.weights[:, :5], single.weights, atol=1e-5, rtol=0)
    assert float(path.weights[:, 10].abs().max()) == 0


def test_groups_change_nothing_but_speed(monkeypatch):
    x, y = data(100, 6, 3)
    penalties = torch.logspace(3, -3, 7, dtype=torch.float64)
    together = logistic_path(x, y, 3, penalties, 1e-12)
    monkeypatch.setattr(module, "GROUP", 1)
    monkeypatch.setitem(LOGITS_AT_ONCE, "cpu", 1)
    alone = logistic_path(x, y, 3, penalties, 1e-12)
    torch.testing.assert_close(together.weights, alone.weights, atol=1e-5, rtol=0)


def test_stops_at_scikit_learns_rule_where_it_is_asked_for():
    x, y = data(300, 8, 4)
    path = logistic_path(x, y, 4, torch.logspace(2, -4, 7, dtype=torch.float64), 0.0, max_gradient=1e-4)
    assert float(path.gradients.max()) <= 1e-4
    for i, penalty in enumerate(torch.logspace(2, -4, 7, dtype=torch.float64)):
        w, b = path.weights[i].clone().requires_grad_(), path.intercepts[i].clone().requires_grad_()
        loss = torch.nn.functional.cross_entropy(x @ w + b, y) + penalty / 600 * w.square().sum()
        gradients = torch.autograd.grad(loss, (w, b))
        assert float(path.gradients[i]) == pytest.approx(max(float(g.abs().max()) for g in gradients), rel=1e-6)


@pytest.mark.parametrize("flush", [False, True])
def test_the_treatment_of_denormals_is_put_back(flush):
    before = module._flushes_denormals()
    try:
        torch.set_flush_denormal(flush)
        x, y = data(20, 3, 2)
        logistic_path(x, y, 2, torch.tensor([1.0], dtype=torch.float64))
        assert module._flushes_denormals() == flush
    finally:
        torch.set_flush_denormal(before)
