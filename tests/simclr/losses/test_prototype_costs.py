import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simclr.losses.prototype_costs import cluster_cost, separation_cost

CLASS_OF = torch.tensor([0, 0, 1, 2, 2, 2])


@settings(max_examples=25)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=7), st.integers(0, 99))
def test_both_are_means_of_the_smallest_distances(labels, seed):
    squared = torch.rand(len(labels), 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    classes = CLASS_OF.tolist()
    own = [min(d for d, c in zip(row, classes) if c == y) for row, y in zip(squared.tolist(), labels)]
    other = [min(d for d, c in zip(row, classes) if c != y) for row, y in zip(squared.tolist(), labels)]
    labels = torch.tensor(labels)
    assert cluster_cost(squared, labels, CLASS_OF).item() == pytest.approx(sum(own) / len(own))
    assert separation_cost(squared, labels, CLASS_OF).item() == pytest.approx(-sum(other) / len(other))


def test_their_gradients_are_those_of_differences():
    squared = torch.rand(5, 6, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 1, 2, 2, 1])
    for cost in (cluster_cost, separation_cost):
        assert torch.autograd.gradcheck(lambda d, cost=cost: cost(d, labels, CLASS_OF), squared)


def test_what_cannot_be_is_said():
    squared = torch.rand(2, 6)
    with pytest.raises(ValueError, match="labels hold 3, but there are 3 classes"):
        cluster_cost(squared, torch.tensor([0, 3]), CLASS_OF)
    with pytest.raises(ValueError, match="NaN"):
        separation_cost(squared * torch.nan, torch.tensor([0, 1]), CLASS_OF)
