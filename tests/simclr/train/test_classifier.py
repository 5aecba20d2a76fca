import copy

import numpy as np
import pytest
import torch
from torch import nn

from simclr.models.head import ProjectionHead
from simclr.train.classifier import BATCH_SIZE, build_classifier, scores_of, set_mode, tuned_layers


def encoder():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(20, 6)).eval()


def inputs(n):
    return torch.randn(n, 1, 4, 4, generator=torch.Generator().manual_seed(1))


def test_the_classifier_starts_at_zero_on_features_that_the_training_samples_standardise():
    body, x, train = encoder(), inputs(40), torch.arange(0, 40, 3)
    nn.init.zeros_(body[4].weight[2])  # a feature that is constant
    before = copy.deepcopy(body.state_dict())
    model = build_classifier(body, None, lambda ids: x[ids], train, 3, "train", "cpu")
    h = body(x).detach().numpy()
    deviation = np.where(np.arange(6) == 2, 1.0, h[train].std(0))
    np.testing.assert_allclose(model[:3](x).detach().numpy(), (h - h[train].mean(0)) / deviation, atol=1e-5)
    assert torch.equal(model(x), torch.zeros(40, 3))
    with torch.no_grad():
        model[0][0].weight.zero_()
    assert all(torch.equal(body.state_dict()[name], value) for name, value in before.items())


@pytest.mark.parametrize("with_head", [False, True])
@pytest.mark.parametrize("policy", ["frozen", "affine", "train"])
def test_what_learns_and_which_statistics_follow_the_batches(policy, with_head):
    head = ProjectionHead(6, 8, 4).eval() if with_head else None
    x = inputs(20)
    model = build_classifier(encoder(), head, lambda ids: x[ids], torch.arange(20), 3, policy, "cpu")
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    of_norms = {p for m in norms for p in m.parameters()}
    assert len(norms) == 1 + with_head
    assert {p for p in model.parameters() if not p.requires_grad} == (of_norms if policy == "frozen" else set())
    names = [name for name, _ in tuned_layers(model)]
    assert names == ["0", "4", *(["head"] if with_head else []), "classifier"]
    assert {p for _, layer in tuned_layers(model) for p in layer} == set(model.parameters())
    set_mode(model, policy)
    assert [m.training for m in norms] == [policy == "train"] * len(norms)
    assert model[0][0].training


def test_scores_in_parts_equal_scores_at_once():
    body, x = encoder().train(), inputs(2 * BATCH_SIZE + 3)
    ids = torch.randperm(len(x), generator=torch.Generator().manual_seed(2))
    sizes = []

    def plain(part):
        sizes.append(len(part))
        return x[part]

    found = scores_of(body, plain, ids)
    assert sizes == [BATCH_SIZE, BATCH_SIZE, 3]
    assert not found.requires_grad
    torch.testing.assert_close(found, body.eval()(x[ids]).detach())
