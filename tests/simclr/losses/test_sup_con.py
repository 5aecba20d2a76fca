import pytest
import torch
from hypothesis import given, settings
from torch.nn.functional import cosine_similarity

from simclr.losses.ntxent import nt_xent
from simclr.losses.sup_con import sup_con
from tests.simclr.losses.any_batch import any_batch, assert_same


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
@given(any_batch(unit=True))
def test_equals_loops_of_any_batch_with_equal_points(batch):
    x, y = batch
    assert_same(sup_con(x, y, temperature=0.2), one_query_at_a_time(x, y, 0.2), x)
