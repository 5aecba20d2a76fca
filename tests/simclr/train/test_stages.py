import pytest
import torch
from torch import nn

from simclr.losses.term import Watched
from simclr.models.embedding import Embedded
from simclr.models.pyramid import Pyramid
from simclr.models.resnet import resnet18
from simclr.models.spectral_spatial import SpectralSpatial
from simclr.train.stages import run_watched, stages_of


def test_stages_are_blocks_or_the_parts_of_a_network():
    blocks = [f"layer{stage}.{block}" for stage in range(1, 5) for block in range(2)]
    assert list(stages_of(resnet18(width=4))) == ["conv1", *blocks]
    assert list(stages_of(Pyramid(1, width=2, stages=3))) == ["stages.0", "stages.1", "stages.2"]
    assert list(stages_of(SpectralSpatial(4, width=2))) == ["spectral", "mix"]


def test_the_last_ones_are_caught_as_means_over_positions_with_their_gradient():
    encoder, x = Embedded(resnet18(in_chans=1, stem="small", width=2).eval(), 3), torch.randn(5, 1, 8, 8)
    e, caught = run_watched(encoder, Watched(2), x)
    assert torch.equal(e, encoder(x))
    assert {name: tuple(rows.shape) for name, rows in caught.items()} == {"layer4.0": (5, 16), "layer4.1": (5, 16)}
    assert torch.allclose(caught["layer4.1"], encoder.encoder(x))  # which is that mean
    caught["layer4.0"].sum().backward()
    assert encoder.encoder.conv1.weight.grad.abs().sum() > 0
    assert not any(module._forward_hooks for module in encoder.modules())
    assert run_watched(encoder, Watched(), x)[1] == {}


def test_what_knows_no_samples_and_what_is_the_output_are_no_last_stages():
    encoder, x = SpectralSpatial(4, width=2).eval(), torch.randn(5, 4, 3, 3)
    assert run_watched(encoder, Watched(3), x)[1] == {}
    embedded = Embedded(encoder, 3)
    assert list(run_watched(embedded, Watched(3), x)[1]) == ["mix"]


def test_named_modules_take_the_place_of_the_last_ones():
    encoder, x = resnet18(in_chans=1, stem="small", width=2).eval(), torch.randn(5, 1, 8, 8)
    _, caught = run_watched(encoder, Watched(1, ("layer1", "bn1")), x)
    assert {name: tuple(rows.shape) for name, rows in caught.items()} == {"bn1": (5, 2), "layer1": (5, 2)}
    with pytest.raises(ValueError, match="the encoder has no module layer9: did you mean layer4"):
        run_watched(encoder, Watched(0, ("layer9",)), x)
    with pytest.raises(ValueError, match="the module spectral gives no features of single samples"):
        run_watched(SpectralSpatial(4, width=2).eval(), Watched(0, ("spectral",)), torch.randn(5, 4, 3, 3))


def test_tokens_are_averaged_and_half_precision_is_kept_apart():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([nn.Linear(4, 4)])

        def forward(self, x):
            return self.blocks[0](x.flatten(2).mT).mean(1)

    encoder, x = Tokens(), torch.randn(5, 4, 3, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        e, caught = run_watched(encoder, Watched(1), x)
    assert (e.dtype, caught["blocks.0"].dtype) == (torch.bfloat16, torch.float32)
    assert torch.allclose(caught["blocks.0"], encoder(x), atol=3e-2)
