import pytest
import torch
from hypothesis import given, settings

from simclr.losses.prototypical import prototypical, prototypical_episode
from tests.simclr.losses.any_batch import any_batch, assert_same


def one_query_at_a_time(x, y, shots):
    """Support: the first of each class. Log-probabilities by squared distances to means."""
    members = {c: [i for i in range(len(y)) if y[i] == c] for c in sorted(set(y.tolist()))}
    means = {c: torch.stack([x[i] for i in rows[:shots]]).mean(0) for c, rows in members.items()}
    losses, right = [], []
    for c, rows in members.items():
        for i in rows[shots:]:
            d = {k: (x[i] - mean).square().sum() for k, mean in means.items()}
            losses.append(d[c] + torch.log(sum(torch.exp(-of) for of in d.values())))
            right.append(min(d, key=d.get) == c)
    return torch.stack(losses).mean(), sum(right) / len(right)


@pytest.mark.parametrize("shots", [1, 2])
@pytest.mark.parametrize("y", [[4, 4, 1, 1, 1, 4, 7, 7, 7], [0, 1, 2, 3, 0, 1, 1], [1, 0, 0, 0, 0]])
def test_equals_loops(shots, y):
    x = torch.randn(len(y), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = torch.tensor(y)
    expected, right = one_query_at_a_time(x, y, shots)
    found = prototypical(x, y, shots=shots)
    assert found.loss.item() == pytest.approx(expected.item(), rel=1e-12)
    assert found.metrics["accuracy"].item() == pytest.approx(right)
    torch.testing.assert_close(torch.autograd.grad(found.loss, x), torch.autograd.grad(expected, x))
    assert torch.autograd.gradcheck(lambda x: prototypical(x, y, shots=shots).loss, x)


def test_distances_are_squared():
    support, query = torch.tensor([[0.0], [3.0]]), torch.tensor([[1.0]])
    found = prototypical_episode(support, torch.tensor([5, 9]), query, torch.tensor([5]))
    assert found.loss.item() == pytest.approx(1 + torch.tensor([-1.0, -4.0]).logsumexp(0).item(), rel=1e-6)
    assert found.metrics["accuracy"] == 1.0


def test_no_queries_are_named():
    with pytest.raises(ValueError, match="no class of the batch has more than 2 samples, so there are no queries"):
        prototypical(torch.randn(4, 2), torch.tensor([0, 0, 1, 1]), shots=2)
    with pytest.raises(ValueError, match="shots is 0"):
        prototypical(torch.randn(4, 2), torch.tensor([0, 0, 1, 1]), shots=0)


@settings(max_examples=25, deadline=None)
@given(any_batch())
def test_equals_loops_of_any_batch_with_equal_points(batch):
    x, y = batch
    assert_same(prototypical(x, y).loss, one_query_at_a_time(x, y, 1)[0], x)
