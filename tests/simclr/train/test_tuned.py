import pytest
import torch
from torch import nn

from simclr.errors import InputError
from simclr.losses.batch import whole_batch
from simclr.losses.objectives import OBJECTIVES, build_objective
from simclr.losses.term import Term
from simclr.losses.triplet import triplet
from simclr.train.systems import SYSTEMS, build_system
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
    try_objective(model, LABELS, (4,))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert model.objective.training


def test_what_batches_do_not_allow_is_said():
    with pytest.raises(InputError, match="objective prototypical: no class of the batch has more than 2 samples"):
        try_objective(tuned(prototypical={"shots": 2}), LABELS, (4,))


def test_a_term_may_look_at_inputs_and_the_encoder(monkeypatch):
    looked = []

    def share(embeddings, labels, *, seen, check=True):
        whole_batch(embeddings, labels, check=check)
        looked.append((seen.inputs, seen.unlabelled))
        return seen.encoder(seen.unlabelled).square().mean() + embeddings.sum() * 0

    monkeypatch.setitem(OBJECTIVES.lines, "share", "here:SHARE")
    monkeypatch.setattr("simclr.registry.load", lambda address: Term("share", share, needs=frozenset({"unlabelled"})))
    model, x, u = tuned(share={}), torch.randn(6, 4), torch.randn(3, 4)
    value = model(x, LABELS, unlabelled=u)[1]
    assert value.total.item() == pytest.approx(model.encoder(u).square().mean().item())
    assert looked[0][0] is x
    assert looked[0][1] is u


def test_a_system_of_ones_own_is_built_with_its_options_and_those_of_the_run(monkeypatch):
    class Scaled(Tuned):
        def __init__(self, encoder, objective, *, samples, by=2.0):
            super().__init__(encoder, objective)
            if by < 0:
                raise ValueError(f"by is {by}, but must be at least 0.")
            self.by, self.samples = by, samples

    monkeypatch.setitem(SYSTEMS.lines, "scaled", "here:Scaled")
    monkeypatch.setattr("simclr.registry.load", lambda address: Scaled)
    of_run = {"samples": 7, "classes": 3}
    parts = (Net(4, 5), None)
    built = build_system("scaled", {"by": 3.0}, *parts, of_run)
    assert (built.by, built.samples) == (3.0, 7)
    with pytest.raises(InputError, match=r"system\.options\.by is -1\.0, but must be at least 0"):
        build_system("scaled", {"by": -1.0}, *parts, of_run)
    with pytest.raises(InputError, match="samples"):
        build_system("scaled", {"samples": 3}, *parts, of_run)
    with pytest.raises(InputError, match=r"system\.name"):
        build_system("scald", {}, *parts, of_run)
