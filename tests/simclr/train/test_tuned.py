import pytest
import torch
from torch import nn

from simclr.errors import InputError
from simclr.losses.objectives import build_objective
from simclr.losses.triplet import triplet
from simclr.train.tuned import Tuned, try_objective

LABELS = torch.tensor([0, 0, 1, 1, 2, 2])


class Net(nn.Linear):
    feature_dim = 5


def tuned(**terms):
    torch.manual_seed(0)
    return Tuned(Net(4, 5), build_objective(terms, feature_dim=5, classes=3))


def test_it_gives_embeddings_and_their_objective():
    model, x = tuned(triplet={"margin": 0.5}), torch.randn(6, 4)
    e, value = model(x, LABELS)
    assert torch.equal(e, model.encoder(x))
    assert value.total.item() == pytest.approx(triplet(e, LABELS, margin=0.5).item())


def test_distances_are_in_single_precision_under_autocast():
    model, x = tuned(triplet={}), torch.randn(6, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        e, value = model(x, LABELS)
    assert (e.dtype, value.total.dtype) == (torch.bfloat16, torch.float32)
    assert torch.equal(value.total, model.objective(e.float(), LABELS).total)


def test_trying_leaves_centres_and_gradients_as_they_are():
    model = tuned(softmax={}, center={})
    before = {name: value.clone() for name, value in model.state_dict().items()}
    try_objective(model, LABELS)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert model.objective.training


def test_what_batches_do_not_allow_is_said():
    with pytest.raises(InputError, match="objective prototypical: no class of the batch has more than 2 samples"):
        try_objective(tuned(prototypical={"shots": 2}), LABELS)
