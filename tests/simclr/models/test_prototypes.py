import math

import pytest
import torch

from simclr.errors import InputError
from simclr.models.encoder import random_encoder
from simclr.models.prototypes import Prototyped, similarity

RESNET = {"name": "resnet8", "in_chans": 2, "width": 4, "stem": "small"}
GIVEN = {"classes": 3, "per_class": 2, "dim": 5}


def prototyped(encoder=RESNET, **given):
    layer = random_encoder(1, **encoder, prototypes={**GIVEN, **given})
    assert isinstance(layer, Prototyped)
    return layer


def test_similarities_are_those_of_loops_over_places():
    layer, x = prototyped().eval(), torch.randn(4, 2, 12, 12)
    places, prototypes = layer.places(x).tolist(), layer.prototypes.tolist()
    assert (len(places), len(places[0]), len(places[0][0]), len(places[0][0][0])) == (4, 5, 3, 3)
    found = layer(x)
    for i in range(4):
        for p in range(6):
            squares = [
                sum((places[i][k][r][c] - prototypes[p][k]) ** 2 for k in range(5)) for r in range(3) for c in range(3)
            ]
            expected = max(math.log((d + 1) / (d + 1e-4)) for d in squares)
            assert found[i, p].item() == pytest.approx(expected, rel=1e-5)
    assert layer.feature_dim == found.shape[1] == 6


def test_a_prototype_that_is_a_place_has_the_distance_zero():
    layer, x = prototyped().eval(), torch.randn(4, 2, 12, 12)
    with torch.no_grad():
        layer.prototypes[3] = layer.places(x)[2, :, 1, 0]
    assert layer.distances(layer.places(x))[2, 3, 1, 0].item() == 0
    assert layer(x)[2, 3].item() == pytest.approx(math.log(1e4))
    assert similarity(torch.tensor([0.0, 1e9])).tolist() == pytest.approx([9.210340, 0], abs=1e-6)
    gradient = torch.autograd.grad(layer.distances(layer.places(x)).sum(), layer.prototypes)[0]
    assert gradient.isfinite().all()


def test_points_start_with_one_for_the_own_class_and_minus_a_half_for_others():
    layer = prototyped()
    assert layer.last.weight.tolist() == [
        [1, 1, -0.5, -0.5, -0.5, -0.5],
        [-0.5, -0.5, 1, 1, -0.5, -0.5],
        [-0.5, -0.5, -0.5, -0.5, 1, 1],
    ]
    assert layer.last.bias is None
    assert not layer.last.weight.requires_grad


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("encoder", [RESNET, {"name": "pyramid", "in_chans": 2, "width": 4, "options": {"fine": 2}}])
def test_every_map_will_do_and_every_parameter_has_a_gradient(encoder, level):
    layer, x = prototyped(encoder, level=level), torch.randn(4, 2, 16, 16)
    layer(x).sum().backward()
    assert all(p.grad is not None for p in layer.parameters() if p.requires_grad)
    maps = layer.encoder.maps(x)
    assert [m.shape[1] for m in maps] == layer.encoder.map_chans
    assert layer.places(x).shape[2:] == maps[-level].shape[2:]


def test_the_last_map_of_a_resnet_is_what_it_averages():
    encoder, x = random_encoder(0, **RESNET).eval(), torch.randn(3, 2, 12, 12)
    assert torch.allclose(encoder.maps(x)[-1].mean((2, 3)), encoder(x), atol=1e-6)


def test_distances_are_in_single_precision_under_autocast_and_follow_weights_to_double():
    layer, x = prototyped().eval(), torch.randn(4, 2, 12, 12)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(x).dtype == torch.float32
    assert layer.double()(x.double()).dtype == torch.float64


@pytest.mark.parametrize(
    ("encoder", "given", "message"),
    [
        ({"name": "spectral_spatial", "in_chans": 2}, {}, "this encoder has none: take a ResNet or a pyramid"),
        ({**RESNET, "embedding": {"dim": 3}}, {}, "without an embedding layer"),
        (RESNET, {"level": 4}, "level is 4, but the encoder has 3 maps"),
        (RESNET, {"per_class": 0}, "per_class is 0, but must be 1 to 10,000"),
        (RESNET, {"dmi": 1}, r"prototypes\.dmi is no argument of the prototypes: did you mean dim\?"),
    ],
)
def test_what_cannot_be_is_refused(encoder, given, message):
    with pytest.raises(InputError, match=message):
        prototyped(encoder, **given)
