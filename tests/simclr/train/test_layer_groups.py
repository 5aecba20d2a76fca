import pytest
import torch
from torch import nn

from simclr.models.encoder import random_encoder
from simclr.train.layer_groups import layer_groups, layers_of


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("resnet10", ["conv1", "layer1.0", "layer2.0", "layer3.0", "layer4.0"]),
        ("resnet18", ["conv1", *(f"layer{s}.{b}" for s in (1, 2, 3, 4) for b in (0, 1))]),
        ("pyramid", ["0", "1", "2", "3"]),
        ("spectral_spatial", ["spectral", "mix"]),
    ],
)
def test_layers_from_the_input_to_the_output(name, names):
    encoder = random_encoder(0, name, in_chans=3, stem="small", width=8)
    layers = layers_of(encoder)
    assert [layer for layer, _ in layers] == names
    found = [p for _, parameters in layers for p in parameters]
    assert len(found) == len(set(found))
    assert set(found) == set(encoder.parameters())


def test_parameters_outside_any_child_and_wrappers():
    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.token = nn.Parameter(torch.zeros(1, 4))
            self.embed = nn.Linear(4, 4)
            self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(4, 1, 8) for _ in range(3))
            self.norm = nn.LayerNorm(4)

    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = Transformer()

    wrapper = Wrapper()
    layers = layers_of(wrapper)
    assert [name for name, _ in layers] == ["embed", "blocks.0", "blocks.1", "blocks.2"]
    assert any(p is wrapper.model.token for p in layers[0][1])
    assert any(p is wrapper.model.norm.weight for p in layers[3][1])


def test_rates_fall_towards_the_input_by_the_formula():
    layers = layers_of(random_encoder(0, "resnet10", in_chans=3, stem="small", width=8))
    groups = layer_groups(layers, lr=0.1, layer_decay=0.5, weight_decay=1e-2)
    rates = {group["name"]: group["lr"] for group in groups}
    assert rates == {"conv1": 0.1 / 16, "layer1.0": 0.1 / 8, "layer2.0": 0.1 / 4, "layer3.0": 0.1 / 2, "layer4.0": 0.1}
    for group in groups:
        assert group["weight_decay"] == (1e-2 if group["params"][0].ndim >= 2 else 0.0)
        assert len({p.ndim >= 2 for p in group["params"]}) == 1


def test_frozen_parameters_are_in_no_group():
    layers = layers_of(random_encoder(0, "resnet10", in_chans=3, stem="small", width=8))
    for p in layers[0][1]:
        p.requires_grad_(False)
    assert "conv1" not in {group["name"] for group in layer_groups(layers, 0.1, 1.0, 0.0)}
    with pytest.raises(ValueError, match="no parameters"):
        layers_of(nn.Identity())
