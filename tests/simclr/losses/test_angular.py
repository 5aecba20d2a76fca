import math

import pytest
import torch
from hypothesis import given, settings
from torch.nn.functional import normalize

from simclr.losses.angular import angular
from tests.simclr.losses.any_batch import any_batch, assert_same


def one_pair_at_a_time(x, y, degrees):
    t2 = math.tan(math.radians(degrees)) ** 2
    losses = []
    for a in range(len(y)):
        for p in range(len(y)):
            if a != p and y[a] == y[p]:
                of = [4 * t2 * (x[a] + x[p]) @ x[n] - 2 * (1 + t2) * x[a] @ x[p] for n in range(len(y)) if y[n] != y[a]]
                losses.append(torch.log1p(torch.stack(of).exp().sum()))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("degrees", [36.0, 45, 70])
@pytest.mark.parametrize("y", [[0, 0, 1, 1], [3, 0, 3, 1, 3, 0, 2], [0, 0, 0, 0, 1]])
def test_equals_loops(degrees, y):
    x = torch.randn(len(y), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = torch.tensor(y)
    expected = one_pair_at_a_time(normalize(x, dim=1), y, degrees)
    found = angular(normalize(x, dim=1), y, degrees=degrees)
    assert found.item() == pytest.approx(expected.item(), rel=1e-11)
    torch.testing.assert_close(torch.autograd.grad(found, x), torch.autograd.grad(expected, x))
    assert torch.autograd.gradcheck(lambda x: angular(normalize(x, dim=1), y, degrees=degrees), x)


def test_the_angle_itself_decides():
    """Of a right triangle with the right angle at the negative, the bound of 45° is met with equality: f = 0."""
    a, p, n = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])
    x = torch.stack([a, p, n])
    assert angular(x, torch.tensor([0, 0, 1]), degrees=45.0).item() == pytest.approx(math.log(2), rel=1e-6)


def test_the_largest_angle_stays_finite():
    x = normalize(torch.randn(8, 2, generator=torch.Generator().manual_seed(0)), dim=1).requires_grad_()
    loss = angular(x, torch.arange(8) // 2, degrees=75)
    assert loss.isfinite()
    assert torch.autograd.grad(loss, x)[0].isfinite().all()


def test_bad_arguments_are_named():
    x = torch.eye(4)
    with pytest.raises(ValueError, match="degrees is 80, but must be a number between 1"):
        angular(x, torch.tensor([0, 0, 1, 1]), degrees=80)
    with pytest.raises(
        ValueError, match=r"rows of length 10 to 10, but must be of length 1: torch\.nn\.functional\.norm"
    ):
        angular(10 * x, torch.tensor([0, 0, 1, 1]))


@settings(max_examples=10, deadline=None)
@given(any_batch(unit=True))
def test_equals_loops_of_any_batch_with_equal_points(batch):
    x, y = batch
    assert_same(angular(x, y, degrees=40.0), one_pair_at_a_time(x, y, 40.0), x)
