import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn.functional import cosine_similarity, normalize

from simclr.losses.ntxent import nt_xent
from simclr.losses.sup_con import sup_con


def one_query_at_a_time(x, y, temperature):
    losses = []
    for i in range(len(y)):
        positives = [j for j in range(len(y)) if j != i and y[j] == y[i]]
        if not positives:
            continue
        s = {j: cosine_similarity(x[i], x[j], dim=0) / temperature for j in range(len(y)) if j != i}
        normaliser = torch.stack(list(s.values())).logsumexp(0)
        losses.append(torch.stack([normaliser - s[p] for p in positives]).mean())
    return torch.stack(losses).mean()


@pytest.mark.parametrize("y", [[0, 0, 1, 1], [3, 0, 3, 1, 3, 0, 2], [0, 0, 0, 0, 1]])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_equals_loops_where_classes_of_one_are_negatives_alone(y, temperature):
    x = torch.randn(len(y), 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = torch.tensor(y)
    expected, found = one_query_at_a_time(x, y, temperature), sup_con(x, y, temperature=temperature)
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)
    torch.testing.assert_close(torch.autograd.grad(found, x), torch.autograd.grad(expected, x))
    assert torch.autograd.gradcheck(lambda x: sup_con(x, y, temperature=temperature), x)


def test_equals_nt_xent_of_two_views_whose_rows_are_all_of_a_class():
    z = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 1, 2, 0, 1, 1])
    two = nt_xent(z, 0.2, labels=y)
    assert sup_con(z.flatten(0, 1), y.repeat(2), temperature=0.2).item() == pytest.approx(two.item(), rel=1e-6)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"temperature is 0, but must be a number between 0\.002"):
        sup_con(torch.randn(4, 2), torch.tensor([0, 0, 1, 1]), temperature=0)
    with pytest.raises(ValueError, match="no two images of one class, and so no positives"):
        nt_xent(torch.randn(1, 4, 2), labels=torch.arange(4))


@settings(max_examples=12, deadline=None)
@given(st.data(), st.integers(3, 9))
def test_equals_loops_of_any_batch_with_equal_points(data, n):
    points = data.draw(st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=n, max_size=n))
    y = torch.tensor(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    counts = y.bincount()
    assume((counts > 0).sum() > 1 and counts.max() > 1)
    x = torch.tensor(points, dtype=torch.float64)
    x = normalize(x + torch.tensor([0.0, 0.0, 2.5]), dim=1).detach()
    x.requires_grad_()
    expected, found = one_query_at_a_time(x, y, 0.2), sup_con(x, y, temperature=0.2)
    assert found.item() == pytest.approx(expected.item(), rel=1e-9, abs=1e-12)
    (gradient,), (of_loops,) = torch.autograd.grad(found, x), torch.autograd.grad(expected, x)
    torch.testing.assert_close(gradient, of_loops, rtol=1e-8, atol=1e-10)
