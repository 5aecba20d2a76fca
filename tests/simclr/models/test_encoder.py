import subprocess
import sys

import pytest
import torch
import torchvision

from simclr.errors import InputError
from simclr.models.encoder import blank_encoder, build_encoder, random_encoder


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
        ("pyramid", {"width": 8}, 28),
        ("pyramid", {"width": 8}, 3),
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


@pytest.mark.slow
def test_a_scenes_encoder_does_without_torchvision():
    program = (
        "import sys; from simclr.models.encoder import build_encoder; build_encoder('spectral_spatial', in_chans=4); "
    )
    program += "print([name for name in ('torchvision', 'torch._dynamo') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["resnet18", "resnet152", "pyramid", "spectral_spatial", "timm:resnet10t"])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"in_chans": 10**9}, "encoder.in_chans is 1000000000, but must be an integer between 1 and 10,000,000"),
        ({"in_chans": 10**5000}, "encoder.in_chans is a number of more than 30 digits"),
        ({"in_chans": 0}, "encoder.in_chans is 0"),
        ({"in_chans": -3}, "encoder.in_chans is -3"),
        ({"in_chans": True}, "encoder.in_chans is True"),
        ({"in_chans": float("nan")}, "encoder.in_chans is nan"),
        ({"in_chans": "3"}, "encoder.in_chans is '3'"),
        ({"in_chans": 3, "width": 0}, "encoder.width is 0"),
        ({"in_chans": 3, "width": 10**12}, "encoder.width is 1000000000000"),
        ({"in_chans": 3, "options": [1]}, r"encoder.options are \[1\]"),
        ({"in_chans": 3, "options": {"depth": 2}}, "encoder.options.depth"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(name, arguments, words):
    for make in (lambda: build_encoder(name, **arguments), lambda: random_encoder(0, name, **arguments)):
        with pytest.raises(InputError, match=words):
            make()


@pytest.mark.parametrize("name", ["resnet152", "spectral_spatial"])
def test_weights_beyond_this_machines_memory_are_refused_before_any_is_taken(name):
    with pytest.raises(InputError, match=rf"^encoder.name={name} .* would take [\d,]+ GiB .* smaller encoder.width$"):
        random_encoder(0, name, in_chans=200, width=2_000_000)


@pytest.mark.parametrize("name", [5, None, b"resnet18", ""])
def test_names_that_are_none_are_refused(name):
    with pytest.raises(InputError, match=r"encoder\.name is"):
        random_encoder(0, name, in_chans=3)


def test_a_blank_encoder_has_the_shapes_and_no_memory():
    before = torch.get_rng_state()
    blank = blank_encoder("resnet152", in_chans=3, width=2048)
    assert all(value.is_meta for value in blank.state_dict().values())
    assert torch.equal(torch.get_rng_state(), before)
    small = build_encoder("resnet10", in_chans=5, width=8).state_dict()
    shapes = {key: value.shape for key, value in blank_encoder("resnet10", in_chans=5, width=8).state_dict().items()}
    assert shapes == {key: value.shape for key, value in small.items()}
