import pytest
import torch
from hypothesis import given, settings
from torch.nn.functional import normalize

from simclr.augment.addressed import Address
from simclr.losses.distance_weighted import negative_weights
from simclr.losses.distances import distances
from simclr.losses.margin import Margin, margin_loss
from tests.simclr.losses.any_batch import any_batch, assert_same

Y = torch.tensor([2, 0, 0, 1, 1, 1, 2, 3])


def unit_rows(n=8, dim=4, seed=0):
    x = torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return normalize(x, dim=1).requires_grad_()


def one_pair_at_a_time(x, y, beta, margin, nu, seed, draw):
    weights = negative_weights(distances(x, x).detach(), y, x.shape[1])
    pairs = [(a, p) for a in range(len(y)) for p in range(len(y)) if a != p and y[a] == y[p]]
    ids = torch.arange(len(pairs))
    uniform = Address(seed, draw, ids, torch.zeros_like(ids)).uniform("negatives", 1)[:, 0]
    losses, boundaries = [], []
    for (a, p), u in zip(pairs, uniform.tolist()):
        n, reached = 0, weights[a, 0]
        while reached <= u * weights[a].sum():
            n += 1
            reached = reached + weights[a, n]
        assert y[n] != y[a]
        boundary = beta[y[a]] if beta.ndim else beta
        boundaries.append(boundary)
        losses += [(margin + (x[a] - x[p]).norm() - boundary).clamp_min(0)]
        losses += [(margin + boundary - (x[a] - x[n]).norm()).clamp_min(0)]
    return (sum(losses) + nu * sum(boundaries)) / max(1, sum(bool(loss > 0) for loss in losses))


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("draw", [0, 7])
def test_equals_loops(per_class, draw):
    x = unit_rows()
    beta = torch.full((4,) if per_class else (), 1.1, dtype=torch.float64, requires_grad=True)
    expected = one_pair_at_a_time(x, Y, beta, 0.3, 0.1, 5, draw)
    found = margin_loss(x, Y, beta, margin=0.3, nu=0.1, seed=5, draw=draw)
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)
    torch.testing.assert_close(torch.autograd.grad(found, (x, beta)), torch.autograd.grad(expected, (x, beta)))


def test_gradcheck():
    beta = torch.tensor(1.1, dtype=torch.float64, requires_grad=True)
    x = unit_rows(12, 3)
    y = torch.arange(12) // 3
    assert torch.autograd.gradcheck(lambda x, beta: margin_loss(x, y, beta, check=False), (x, beta))


def test_the_boundary_is_learned_and_draws_change_from_batch_to_batch():
    x, y = unit_rows(40, 6).float(), torch.arange(40) // 4
    term = Margin(6, 10, seed=3)
    assert [name for name, _ in term.named_parameters()] == ["beta"]
    first, second = term(x, y), term(x, y)
    assert first != second
    second.backward()
    assert term.beta.grad != 0
    resumed = Margin(6, 10, seed=3)
    resumed.load_state_dict(term.state_dict())
    assert resumed(x, y) == term(x, y)
    assert term.eval()(x, y) == term(x, y)
    assert Margin(6, 10, seed=3)(x, y) == first
    assert Margin(6, 10, seed=4)(x, y) != first
    assert Margin(6, 10, per_class=True).beta.tolist() == pytest.approx([1.2] * 10)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="beta is 3, but must be a number between"):
        Margin(4, 2, beta=3)
    with pytest.raises(ValueError, match="nu is -1"):
        margin_loss(unit_rows(), Y, torch.tensor(1.2), nu=-1)
    with pytest.raises(ValueError, match="must be of length 1"):
        margin_loss(2 * unit_rows(), Y, torch.tensor(1.2))
    with pytest.raises(ValueError, match="labels hold 3, but there are 2 classes"):
        margin_loss(unit_rows(), Y, torch.ones(2))


@settings(max_examples=25, deadline=None)
@given(any_batch(unit=True))
def test_equals_loops_of_any_batch_with_equal_points(batch):
    x, y = batch
    beta = torch.tensor(1.1, dtype=torch.float64)
    expected = one_pair_at_a_time(x, y, beta, 0.3, 0.0, 5, 2)
    assert_same(margin_loss(x, y, beta, margin=0.3, seed=5, draw=2), expected, x)
