import pytest
import torch

from simclr.build import build_loss, build_model
from simclr.data import SceneSource
from simclr.data.images.digits import load_digits
from simclr.errors import InputError
from simclr.recipe.read import read_recipe
from simclr.recipe.schema import Loss
from simclr.views.inputs import build_inputs


def scene(height=11, width=7, patch_size=3):
    return SceneSource(torch.rand(2, height, width), patch_size=patch_size)


def test_only_distant_pixels_are_negatives():
    source, distance = scene(), 3
    ids = torch.randperm(len(source), generator=torch.Generator().manual_seed(0))[:40]
    options = build_loss(Loss(negative_distance=distance), source)(ids)
    weight = options["negative_weight"](options["keys"][:25], options["keys"])
    for i, a in enumerate(ids[:25].tolist()):
        for j, b in enumerate(ids.tolist()):
            covered = {(a // 7 + y, a % 7 + x) for y in (-1, 0, 1) for x in (-1, 0, 1)}
            overlap = covered & {(b // 7 + y, b % 7 + x) for y in (-1, 0, 1) for x in (-1, 0, 1)}
            assert bool(weight[i, j]) == (not overlap)


def test_without_distance_every_pair_counts():
    options = build_loss(Loss(temperature=0.2, decoupled=True), scene())(torch.arange(4))
    assert options == {"temperature": 0.2, "decoupled": True}


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
    model = build_model(recipe.encoder, recipe.head, inputs.preprocess.out_chans, seed=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z = [model(views.flatten(0, 1))[1] for views in (half, whole)]
    torch.testing.assert_close(z[0], z[1], rtol=0, atol=0)
