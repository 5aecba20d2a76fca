import pytest
import torch

from simclr.train.last_layer import last_layer_cost, solve_last_layer

CLASSES, EACH, SPARSITY, RIDGE = 3, 2, 0.004, 0.03
OWN = torch.arange(CLASSES).repeat_interleave(EACH) == torch.arange(CLASSES)[:, None]


def problem(n=60):
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(CLASSES, (n,), generator=generator)
    return torch.rand(n, CLASSES * EACH, generator=generator) * 2 + 2 * OWN[labels], labels


def solved(a, labels, sparsity=SPARSITY, ridge=RIDGE):
    found = solve_last_layer(a, labels, OWN, sparsity=sparsity, ridge=ridge)
    assert found.converged
    return found.weight


def slope(weight, a, labels):
    """Gradient of what is smooth."""
    weight = weight.clone().requires_grad_()
    last_layer_cost(weight, a.double(), labels, OWN, 0.0, RIDGE).backward()
    return weight.grad


def test_the_conditions_of_a_minimum_hold():
    a, labels = problem()
    weight = solved(a, labels)
    g, others = slope(weight, a, labels), ~OWN
    assert g[OWN].abs().max() < 1e-5
    zero = others & (weight.abs() < 1e-9)
    assert 0 < zero.sum() < others.sum()
    assert (g[zero].abs() <= SPARSITY + 1e-5).all()
    moved = others & ~zero
    assert torch.allclose(g[moved], -SPARSITY * weight[moved].sign(), atol=1e-5)


def test_it_is_where_proximal_steps_end():
    a, labels = problem()
    weight = torch.where(OWN, 1.0, -0.5).double()
    for _ in range(1500):
        weight = weight - 0.3 * slope(weight, a, labels)
        shrunk = weight.sign() * (weight.abs() - 0.3 * SPARSITY).clamp(min=0)
        weight = torch.where(OWN, weight, shrunk)
    assert torch.allclose(solved(a, labels), weight, atol=1e-3)


def test_classes_that_can_be_separated_have_a_solution_too_and_it_is_the_same_each_time():
    labels = torch.arange(30) % CLASSES
    a = 5.0 * OWN[labels]
    first = solved(a, labels)
    assert torch.equal(first, solved(a, labels))
    assert first.abs().max() < 10
    assert (a.double() @ first.T).argmax(1).equal(labels)


def test_a_price_that_is_high_enough_leaves_other_classes_without_weight():
    a, labels = problem()
    assert solved(a, labels, sparsity=10.0)[~OWN].abs().max() == 0


def test_cost_by_hand():
    a, labels = torch.tensor([[1.0, 0, 0, 0, 0, 0]]).double(), torch.tensor([0])
    weight = torch.where(OWN, 1.0, -0.5).double()
    entropy = torch.tensor([1.0, -0.5, -0.5]).double().logsumexp(0).item() - 1
    assert last_layer_cost(weight, a, labels, OWN, 0.1, 0.2).item() == pytest.approx(entropy + 0.6 + 0.1 * 3)
