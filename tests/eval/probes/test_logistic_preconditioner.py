import numpy as np
import pytest
import torch

from simclr.eval.probes import logistic_path as path
from simclr.eval.probes.logistic_path import logistic_path
from simclr.eval.probes.logistic_preconditioner import Preconditioner, block_cost
from simclr.eval.probes.logistic_problem import Problem


def problem_of(n=120, dim=6, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    x = rng.normal(size=(n, dim)) / np.arange(1, dim + 1) + rng.normal(size=(classes, dim))[y]
    return Problem(torch.tensor(x), torch.tensor(y), classes)


def point(problem, scale, ridge):
    g = torch.Generator().manual_seed(1)
    w = scale * torch.randn(len(problem.moments), problem.num_classes, len(ridge), generator=g, dtype=torch.float64)
    w -= w.mean(1, keepdim=True)
    return w, problem.evaluate(w, ridge)[3]


@pytest.mark.parametrize("scale", [0.0, 1.0, 6.0])
def test_a_block_of_all_features_is_the_inverse_of_the_hessian(scale):
    """Also where nearly every sample is certain: there curvature is lost to rounding, unless care is taken."""
    problem, ridge = problem_of(), torch.tensor([0.3, 0.01], dtype=torch.float64)
    w, kept = point(problem, scale, ridge)
    same = kept[..., :1].expand(-1, -1, 2)
    inverse = Preconditioner(problem, len(problem.moments), ridge)
    inverse.at(same, 0)
    product = problem.hessian_product(w if scale else point(problem, 1.0, ridge)[0], same, 0, ridge)
    wanted = w if scale else point(problem, 1.0, ridge)[0]
    torch.testing.assert_close(inverse(product, 0), wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))
    second = inverse(product[..., 1:], 1)
    torch.testing.assert_close(second, wanted[..., 1:], rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))


def test_without_a_block_it_is_exact_where_all_classes_are_equally_likely():
    problem, ridge = problem_of(), torch.tensor([0.05], dtype=torch.float64)
    _, kept = point(problem, 0.0, ridge)
    inverse = Preconditioner(problem, 0, ridge)
    inverse.at(kept, 0)
    v, _ = point(problem, 1.0, ridge)
    torch.testing.assert_close(inverse(problem.hessian_product(v, kept, 0, ridge), 0), v, rtol=1e-4, atol=1e-5)


def test_the_inverse_is_symmetric_and_positive_with_a_block_of_some_features():
    problem, ridge = problem_of(), torch.tensor([1e-3], dtype=torch.float64)
    _, kept = point(problem, 3.0, ridge)
    inverse = Preconditioner(problem, 3, ridge)
    inverse.at(kept, 0)
    size = len(problem.moments) * problem.num_classes
    units = torch.eye(size, dtype=torch.float64).view(size, -1, problem.num_classes, 1)
    matrix = torch.stack([inverse(unit, 0).flatten() for unit in units])
    torch.testing.assert_close(matrix, matrix.T, rtol=1e-4, atol=1e-4)
    assert float(torch.linalg.eigvalsh((matrix + matrix.T) / 2)[0]) > 0


def test_a_block_saves_products_and_changes_no_solution(monkeypatch):
    problem = problem_of(200, 20, 4)
    x, penalties = problem.features[:, :-1], torch.logspace(1, -5, 13, dtype=torch.float64)
    counts = []
    product = Problem.hessian_product
    monkeypatch.setattr(Problem, "hessian_product", lambda *a: (counts.append(a[1].shape[2]), product(*a))[1])
    monkeypatch.setattr(path, "SHARE", 1e9)
    found = logistic_path(x, problem.y, 4, penalties, 1e-6)
    with_block = sum(counts)
    counts.clear()
    monkeypatch.setattr(path, "BLOCK", 0)
    without = logistic_path(x, problem.y, 4, penalties, 1e-6)
    assert with_block < 0.8 * sum(counts)
    assert float(torch.maximum(found.gaps, without.gaps).max()) <= 1e-6
    torch.testing.assert_close(found.objectives, without.objectives, rtol=2e-6, atol=0)


def test_the_cost_of_a_block_grows_with_it():
    problem = problem_of()
    assert block_cost(problem, 8, 1) < block_cost(problem, 16, 1) < block_cost(problem, 16, 3)
