import pytest
import torch
from hypothesis import given, settings

from simclr.losses.n_pair import n_pair
from tests.simclr.losses.any_batch import any_batch, assert_same


def one_anchor_at_a_time(x, y, l2=0.0):
    """Pairs by class, first and second, third and fourth, …; each turn by itself."""
    members = {c: [i for i in range(len(y)) if y[i] == c] for c in sorted(set(y.tolist()))}
    losses = []
    for turn in range(len(y)):
        pairs = [m[2 * turn : 2 * turn + 2] for m in members.values() if len(m) >= 2 * turn + 2]
        if len(pairs) < 2:
            continue
        for a, p in pairs:
            others = [torch.exp(x[a] @ x[q] - x[a] @ x[p]) for b, q in pairs if b != a]
            losses.append(torch.log(1 + sum(others)))
    return torch.stack(losses).mean() + l2 * x.square().sum(1).mean()


def test_the_published_value_of_four_points():
    points = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    y = torch.arange(4)
    assert n_pair(torch.cat([points, points]), torch.cat([y, y])).item() == pytest.approx(0.253856, abs=1e-6)
    mixed = torch.tensor([0, 0, 1, 2, 1, 3, 2, 3])  # in any order
    assert n_pair(points[mixed], mixed).item() == pytest.approx(0.253856, abs=1e-6)


@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize(
    "y", [[0, 1, 0, 1], [5, 0, 5, 0, 5, 5, 2, 2, 2], [0, 0, 0, 0, 1, 1, 1, 1, 2, 2], [0, 1, 2, 0, 1]]
)
def test_equals_loops(y, l2):
    x = torch.randn(len(y), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = torch.tensor(y)
    expected, found = one_anchor_at_a_time(x, y, l2), n_pair(x, y, l2=l2)
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)
    torch.testing.assert_close(torch.autograd.grad(found, x), torch.autograd.grad(expected, x))
    assert torch.autograd.gradcheck(lambda x: n_pair(x, y, l2=l2), x)


def test_large_products_stay_finite():
    x = (1e4 * torch.eye(4)).repeat(2, 1).requires_grad_()
    loss = n_pair(x, torch.arange(4).repeat(2))
    assert loss.item() == 0.0
    assert torch.autograd.grad(loss, x)[0].isfinite().all()


def test_a_single_class_with_a_pair_is_named():
    with pytest.raises(ValueError, match="only one class of the batch has two samples"):
        n_pair(torch.randn(4, 2), torch.tensor([0, 0, 1, 2]))


@settings(max_examples=25, deadline=None)
@given(any_batch(pairs=2))
def test_equals_loops_of_any_batch_with_equal_points(batch):
    x, y = batch
    assert_same(n_pair(x, y), one_anchor_at_a_time(x, y), x)
