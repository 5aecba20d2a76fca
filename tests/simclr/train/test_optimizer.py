import pytest
import torch

from simclr.models.encoder import build_encoder
from simclr.models.head import ProjectionHead
from simclr.train.optimizer import build_optimizer, parameter_groups, parameter_table


def test_biases_and_normalisation_are_excluded_from_decay_and_trust():
    encoder = build_encoder("resnet18", in_chans=3)
    head = ProjectionHead(encoder.feature_dim)
    weights, excluded = parameter_groups([encoder, head], 1e-4)
    normalisation = {
        id(p)
        for module in (encoder, head)
        for m in module.modules()
        if isinstance(m, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d)
        for p in m.parameters()
        if p.requires_grad
    }
    assert {id(p) for p in excluded["params"]} == normalisation
    assert (excluded["weight_decay"], excluded["adapt"]) == (0.0, False)
    assert (weights["weight_decay"], weights["adapt"]) == (1e-4, True)
    convolutions = sum(p.numel() for m in (encoder, head) for p in m.parameters() if p.ndim > 1)
    first, second = parameter_table([encoder, head], "lars", 1e-4)
    assert f"{convolutions:,} weights" in first
    assert first.endswith("weight decay 0.0001, trust ratio")
    assert second.endswith("weight decay 0, no trust ratio")


@pytest.mark.parametrize("name", ["lars", "sgd", "adamw"])
def test_every_optimizer_lowers_a_loss(name):
    torch.manual_seed(0)
    layer = torch.nn.Linear(4, 2)
    x, y = torch.randn(64, 4), torch.randn(64, 2)
    optimizer = build_optimizer(name, [layer], lr=2.0 if name == "lars" else 0.05, weight_decay=0.0)
    losses = []
    for _ in range(30):
        loss = (layer(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.95 * losses[0]


def test_unknown_optimizer():
    with pytest.raises(ValueError, match="lars, sgd or adamw"):
        build_optimizer("adma", [torch.nn.Linear(1, 1)], lr=1.0, weight_decay=0.0)
