import pytest
import torch

from simclr.build import build_loss_options
from simclr.data import SceneSource
from simclr.data.digits import load_digits
from simclr.errors import InputError
from simclr.schema import Loss


def scene(height=11, width=7, patch_size=3):
    return SceneSource(torch.rand(2, height, width), patch_size=patch_size)


def test_only_distant_pixels_are_negatives():
    source, distance = scene(), 3
    ids = torch.randperm(len(source), generator=torch.Generator().manual_seed(0))[:40]
    options = build_loss_options(Loss(negative_distance=distance), source)(ids)
    weight = options["negative_weight"](options["keys"][:25], options["keys"])
    for i, a in enumerate(ids[:25].tolist()):
        for j, b in enumerate(ids.tolist()):
            covered = {(a // 7 + y, a % 7 + x) for y in (-1, 0, 1) for x in (-1, 0, 1)}
            overlap = covered & {(b // 7 + y, b % 7 + x) for y in (-1, 0, 1) for x in (-1, 0, 1)}
            assert bool(weight[i, j]) == (not overlap)


def test_without_distance_every_pair_counts():
    options = build_loss_options(Loss(temperature=0.2, decoupled=True), scene())(torch.arange(4))
    assert options == {"temperature": 0.2, "decoupled": True}


def test_photographs_have_no_distance():
    with pytest.raises(InputError, match="no scene"):
        build_loss_options(Loss(negative_distance=3), load_digits())


def test_a_distance_beyond_the_scene_is_refused():
    with pytest.raises(InputError, match="11x7 pixels"):
        build_loss_options(Loss(negative_distance=11), scene())
