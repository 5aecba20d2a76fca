import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simclr.eval.probes.logistic_path import logistic_path
from simclr.eval.probes.logistic_problem import Problem


def data(n, dim, classes, seed=0):
    """Standardised features with a decaying spectrum."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    x = rng.normal(size=(n, dim)) / np.arange(1, dim + 1) + 0.6 * rng.normal(size=(classes, dim))[y]
    return torch.tensor((x - x.mean(0)) / x.std(0)), torch.tensor(y)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), steps=st.integers(0, 4), penalty=st.sampled_from([1e-4, 1e-2, 1.0, 100.0]))
def test_the_bound_is_below_the_minimum_from_anywhere(seed, steps, penalty):
    """Also where the intercept is far off, and a few Newton steps on the way."""
    x, y = data(60, 4, 3, seed)
    problem = Problem(x, y, 3)
    ridge = torch.tensor([penalty / 60], dtype=torch.float64)
    w = torch.randn(5, 3, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) / 2**steps
    f, _, bound, _ = problem.evaluate(w, ridge)
    best = logistic_path(x, y, 3, torch.tensor([penalty], dtype=torch.float64), max_gap=1e-10)
    assert float(bound[0]) <= float(best.objectives[0]) + 1e-12 <= float(f[0]) + 2e-12


def test_gradient_and_hessian_are_those_of_the_objective():
    x, y = data(50, 4, 3)
    problem = Problem(x, y, 3)
    ridge = torch.tensor([0.1, 0.01], dtype=torch.float64)
    w = torch.randn(5, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def value(w):
        z = torch.einsum("nr,rka->nka", problem.features, w)
        loss = torch.nn.functional.cross_entropy(z, y[:, None].expand(-1, 2), reduction="sum") / 50
        return loss + (ridge / 2 * w[:-1].square().sum((0, 1))).sum()

    _, gradient, _, kept = problem.evaluate(w, ridge)
    w.requires_grad_()
    (expected,) = torch.autograd.grad(value(w), w, create_graph=True)
    torch.testing.assert_close(gradient, expected.detach())
    v = torch.randn(w.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (expected,) = torch.autograd.grad((expected * v).sum(), w)
    torch.testing.assert_close(problem.hessian_product(v, kept, 0, ridge), expected, rtol=1e-4, atol=1e-6)
    second = problem.hessian_product(v[..., 1:], kept, 1, ridge[1:])
    torch.testing.assert_close(second, expected[..., 1:], rtol=1e-4, atol=1e-6)


def test_parameters_go_to_the_features_as_given_and_back():
    x, y = data(50, 4, 3)
    problem = Problem(x + 3, y, 3)
    w = torch.randn(5, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights, intercepts = problem.outer(w)
    torch.testing.assert_close(
        (x + 3) @ weights + intercepts[:, None], torch.einsum("nr,rka->ank", problem.features, w)
    )
    torch.testing.assert_close(problem.inner(weights, intercepts), w)
