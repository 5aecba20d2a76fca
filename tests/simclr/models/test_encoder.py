import subprocess
import sys

import pytest
import torch
import torchvision

from simclr.errors import InputError
from simclr.models.encoder import build_encoder, random_encoder


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_resnets_are_torchvisions(name):
    ours = random_encoder(0, name, in_chans=3)
    theirs = getattr(torchvision.models, name)()
    difference = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert difference.missing_keys == ["fc.weight", "fc.bias"]
    assert difference.unexpected_keys == []
    theirs.fc = torch.nn.Identity()
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("resnet10", {"stem": "small", "width": 16}, 32),
        ("resnet50", {"width": 8}, 48),
        ("spectral_spatial", {"width": 32}, 9),
        ("spectral_spatial", {"width": 16}, 4),
        ("timm:resnet10t", {}, 64),
    ],
)
@pytest.mark.parametrize("in_chans", [1, 3, 200])
def test_any_number_of_channels_gives_feature_dim(name, options, size, in_chans):
    encoder = build_encoder(name, in_chans=in_chans, **options)
    assert encoder(torch.randn(2, in_chans, size, size)).shape == (2, encoder.feature_dim)


def test_random_weights_depend_on_the_seed_alone_and_leave_the_global_generator():
    before = torch.get_rng_state()
    a, b, c = (random_encoder(s, "resnet10", in_chans=1, width=8) for s in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(a.conv1.weight, b.conv1.weight)
    assert not torch.equal(a.conv1.weight, c.conv1.weight)


@pytest.mark.parametrize(
    ("name", "words"), [("resnt18", "did you mean resnet18"), ("timm:resnt18", "did you mean timm:resnet18")]
)
def test_unknown_names(name, words):
    with pytest.raises(InputError, match=words):
        build_encoder(name, in_chans=3)


def test_a_scenes_encoder_does_without_torchvision():
    program = (
        "import sys; from simclr.models.encoder import build_encoder; build_encoder('spectral_spatial', in_chans=4); "
    )
    program += "print([name for name in ('torchvision', 'torch._dynamo') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
