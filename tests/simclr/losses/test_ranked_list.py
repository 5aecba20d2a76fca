import math

import pytest
import torch
from hypothesis import given, settings
from torch.nn.functional import normalize

from simclr.losses.ranked_list import ranked_list
from tests.simclr.losses.any_batch import any_batch, assert_same


def one_query_at_a_time(x, y, boundary, margin, negative_temperature, positive_temperature, balance):
    losses = []
    for i in range(len(y)):
        of = {True: [], False: []}
        for j in range(len(y)):
            if i == j:
                continue
            d2 = (x[i] - x[j]).square().sum()
            d = d2.sqrt() if d2 > 0 else 0 * d2
            same = bool(y[i] == y[j])
            loss = d - (boundary - margin) if same else boundary - d
            if loss > 0:
                temperature = positive_temperature if same else negative_temperature
                of[same].append((math.exp(temperature * loss.item()), loss))
        mean = {
            same: sum(w * loss for w, loss in terms) / sum(w for w, _ in terms) if terms else 0.0 * x.sum()
            for same, terms in of.items()
        }
        losses.append((1 - balance) * mean[True] + balance * mean[False])
    return torch.stack(losses).mean()


@pytest.mark.parametrize("options", [(1.2, 0.4, 10.0, 0.0, 0.5), (0.9, 0.2, 0.5, 3.0, 0.7), (1.0, 0.0, 0.0, 0.0, 0.0)])
@pytest.mark.parametrize("y", [[0, 0, 1, 1], [3, 0, 3, 1, 3, 0, 2, 2], [0, 0, 0, 1, 2]])
def test_equals_loops_with_constant_weights(options, y):
    names = ("boundary", "margin", "negative_temperature", "positive_temperature", "balance")
    x = torch.randn(len(y), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = torch.tensor(y)
    expected = one_query_at_a_time(normalize(x, dim=1), y, *options)
    found = ranked_list(normalize(x, dim=1), y, **dict(zip(names, options)))
    assert found.item() == pytest.approx(expected.item(), rel=1e-11)
    torch.testing.assert_close(torch.autograd.grad(found, x), torch.autograd.grad(expected, x))


def test_gradcheck_where_weights_are_alike():
    x = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = torch.tensor([0, 0, 1, 1, 2, 2, 2])
    assert torch.autograd.gradcheck(lambda x: ranked_list(normalize(x, dim=1), y, negative_temperature=0.0), x)


def test_high_temperatures_and_equal_points_stay_finite():
    x = torch.eye(3).repeat(2, 1).requires_grad_()
    loss = ranked_list(x, torch.tensor([0, 1, 2, 1, 0, 2]), negative_temperature=1e4)
    assert loss.isfinite()
    assert torch.autograd.grad(loss, x)[0].isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"boundary": 3}, "boundary is 3, but must be a number between 0.0 and 2.0"),
        ({"margin": 1.5}, "margin is 1.5, but must be a number between 0.0 and 1.2"),
        ({"balance": 2}, "balance is 2, but must be a probability"),
        ({"negative_temperature": -1}, "negative_temperature is -1"),
        ({"positive_temperature": "a"}, "positive_temperature is 'a'"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        ranked_list(torch.eye(4), torch.tensor([0, 0, 1, 1]), **options)


@settings(max_examples=25, deadline=None)
@given(any_batch(unit=True))
def test_equals_loops_of_any_batch_with_equal_points(batch):
    x, y = batch
    assert_same(ranked_list(x, y, positive_temperature=1.0), one_query_at_a_time(x, y, 1.2, 0.4, 10.0, 1.0, 0.5), x)
