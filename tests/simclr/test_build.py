import pytest
import torch

from simclr.build import build_loss, build_model
from simclr.data import SceneSource
from simclr.data.images.digits import load_digits
from simclr.errors import InputError
from simclr.losses.ntxent import nt_xent
from simclr.recipe.read import read_recipe
from simclr.recipe.schema import Loss
from simclr.views.inputs import build_inputs


def scene(height=11, width=7, patch_size=3):
    return SceneSource(torch.rand(2, height, width), patch_size=patch_size)


def projections(images, dim=6):
    return torch.randn(2, images, dim, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def value_and_gradient(loss, z):
    z = z.clone().requires_grad_()
    value = loss(z)
    (gradient,) = torch.autograd.grad(value, z)
    return value, gradient


def test_only_distant_pixels_are_negatives():
    """Against the sum over pairs, with the patches of 3x3 pixels written out."""
    source, temperature = scene(), 0.3
    ids = torch.randperm(len(source), generator=torch.Generator().manual_seed(0))[:40]
    z = projections(len(ids))
    covered = [{(a // 7 + y, a % 7 + x) for y in (-1, 0, 1) for x in (-1, 0, 1)} for a in ids.tolist()]
    counts = torch.tensor([[float(a is b or not a & b) for b in covered] for a in covered]).double()
    assert 0 < (counts == 0).sum() < counts.numel() / 2
    u = torch.nn.functional.normalize(z, dim=2).flatten(0, 1)
    similarity = u @ u.T / temperature
    denominator = (similarity.exp() * counts.repeat(2, 2)).fill_diagonal_(0).sum(1)
    expected = (denominator.log() - similarity.diagonal(40).repeat(2)).mean()
    loss_of = build_loss(Loss(temperature=temperature, negative_distance=3), source)
    torch.testing.assert_close(loss_of(z, ids), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("section", [Loss(), Loss(temperature=0.2, decoupled=True)])
def test_without_distance_it_is_nt_xent_with_its_arguments(section):
    z, ids = projections(5), torch.arange(5)
    arguments = {"temperature": section.temperature, "decoupled": section.decoupled}
    for source in (scene(), load_digits()):
        loss_of = build_loss(section, source)
        ours = value_and_gradient(lambda z, loss_of=loss_of: loss_of(z, ids), z)
        assert all(map(torch.equal, ours, value_and_gradient(lambda z: nt_xent(z, **arguments), z)))


def test_with_a_distance_it_is_nt_xent_with_keys_and_weights():
    source, z, ids = scene(), projections(20), torch.arange(30, 50)
    loss_of = build_loss(Loss(temperature=0.2, negative_distance=4), source)
    keys = torch.stack((ids // 7, ids % 7), 1)

    def weight(a, b):
        return (a[:, None] - b).abs().amax(2) >= 4

    ours = value_and_gradient(lambda z: loss_of(z, ids), z)
    direct = value_and_gradient(lambda z: nt_xent(z, 0.2, keys=keys, negative_weight=weight), z)
    assert all(map(torch.equal, ours, direct))
    assert not torch.equal(ours[0], nt_xent(z, 0.2))


def test_a_nan_is_left_to_the_caller():
    z = projections(4)
    z[0, 0, 0] = float("nan")
    assert build_loss(Loss(), load_digits())(z, torch.arange(4)).isnan()


def test_photographs_have_no_distance():
    with pytest.raises(InputError, match="no scene"):
        build_loss(Loss(negative_distance=3), load_digits())


def test_a_distance_beyond_the_scene_is_refused():
    with pytest.raises(InputError, match="11x7 pixels"):
        build_loss(Loss(negative_distance=11), scene())


def test_views_come_in_the_precision_of_the_encoder_and_change_nothing_by_it():
    ids, cpu = torch.arange(8), torch.device("cpu")
    recipe = read_recipe("digits", ["train.precision=bf16"])
    inputs = build_inputs(recipe, cpu)
    whole = build_inputs(read_recipe("digits", []), cpu).augment(inputs.source[ids], ids, 0)
    half = inputs.augment(inputs.source[ids], ids, 0)
    assert (half.dtype, whole.dtype) == (torch.bfloat16, torch.float32)
    torch.testing.assert_close(half, whole.bfloat16(), rtol=0, atol=0)
    assert half.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
    model = build_model(recipe.encoder, recipe.head, inputs.preprocess, seed=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z = [model(views.flatten(0, 1))[1] for views in (half, whole)]
    torch.testing.assert_close(z[0], z[1], rtol=0, atol=0)
