import itertools

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simclr.losses.contrastive import contrastive, contrastive_pairs


def one_pair_at_a_time(x, y, margin):
    losses = []
    for i, j in itertools.combinations(range(len(x)), 2):
        d2 = (x[i] - x[j]).square().sum()
        d = d2.sqrt() if d2 > 0 else 0 * d2
        losses.append(d2 if y[i] == y[j] else torch.clamp(margin - d, min=0).square())
    return torch.stack(losses).mean()


@pytest.mark.parametrize(("margin", "value"), [(1.0, 0.621666), (2.0, 1.623333)])
def test_published_values(margin, value):
    d = torch.tensor([0.1, 0.3, 1.3, 0.7, 1.1, 0.5])[:, None]
    similar = torch.tensor([0, 0, 1, 1, 0, 1])
    assert contrastive_pairs(torch.zeros(6, 1), d, similar, margin=margin).item() == pytest.approx(value, abs=1e-6)
    assert contrastive_pairs(d, torch.zeros(6, 1), similar.bool(), margin=margin).item() == pytest.approx(
        value, abs=1e-6
    )


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(3, 10), st.integers(1, 3), st.sampled_from([0.5, 1.0, 3.0]))
def test_all_pairs_equal_loops_with_equal_points_and_classes_of_one(data, n, dim, margin):
    points = data.draw(st.lists(st.lists(st.integers(-2, 2), min_size=dim, max_size=dim), min_size=n, max_size=n))
    y = torch.tensor(data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)))
    assume(1 < len(set(y.tolist())) < n)
    x = torch.tensor(points, dtype=torch.float64).requires_grad_()
    expected, found = one_pair_at_a_time(x, y, margin), contrastive(x, y, margin=margin)
    assert found.item() == pytest.approx(expected.item(), rel=1e-12, abs=1e-15)
    for value, of in zip(torch.autograd.grad(found, x), torch.autograd.grad(expected, x)):
        torch.testing.assert_close(value, of, rtol=1e-12, atol=1e-14)


def test_two_equal_points_of_two_classes_have_the_square_of_the_margin_and_no_gradient():
    x = torch.ones(3, 2, requires_grad=True)
    x.data[2] = 50.0
    loss = contrastive(x, torch.tensor([0, 1, 1]), margin=3.0)
    far = 2 * 49.0**2
    assert loss.item() == pytest.approx((9 + far) / 3)
    (gradient,) = torch.autograd.grad(loss, x)
    assert gradient[0].tolist() == [0.0, 0.0]
    given_pairs = contrastive_pairs(x[:1], x[1:2], torch.tensor([0]), margin=3.0)
    assert given_pairs.item() == 9.0
    assert torch.autograd.grad(given_pairs, x)[0].tolist() == [[0.0, 0.0]] * 3


def test_gradcheck():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(7, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0, 1, 1, 2, 0, 3, 2])
    assert torch.autograd.gradcheck(lambda x: contrastive(x, y, margin=2.0), x)
    assert torch.autograd.gradcheck(lambda x: contrastive_pairs(x[:3], x[3:6], y[:3], margin=2.0), x)


def test_sides_of_two_shapes_are_named():
    with pytest.raises(ValueError, match=r"one shape, not \(3, 2\) and \(2, 2\)"):
        contrastive_pairs(torch.zeros(3, 2), torch.zeros(2, 2), torch.zeros(3, dtype=torch.int64))
