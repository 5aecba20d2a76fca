import numpy as np
import pytest
import torch

from simclr.data.preprocess import Preprocess
from simclr.errors import InputError
from simclr.models.encoder import random_encoder
from simclr.train.protopnet import push
from simclr.train.tuned import Learned
from simclr.views.likeness import box_around, explain, source_patches
from simclr.views.likeness_picture import draw_explained, draw_prototypes

CLASSES = ["coat", "shoe", "bag"]


@pytest.fixture(scope="module")
def pushed():
    x = torch.rand(12, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(12) % 3
    layer = random_encoder(
        0, "pyramid", in_chans=1, width=4, prototypes={"classes": 3, "per_class": 2, "dim": 5, "level": 2}
    ).eval()
    push(layer, Learned(torch.arange(12), targets, lambda ids: x[ids]))
    layer.last.weight.copy_(torch.randn(3, 6, generator=torch.Generator().manual_seed(1)))
    return layer, x, Preprocess(1, normalize="unit")


def test_what_speaks_for_a_decision_adds_up_to_its_points(pushed):
    layer, x, preprocess = pushed
    found = explain(layer, x[:5], lambda ids: x[ids], preprocess, most=6)
    points = layer.logits(layer(x[:5]))
    for one, expected in zip(found, points):
        assert one.points == pytest.approx(expected.tolist(), rel=1e-5)
        given = [like.similarity * like.weight for like in one.likenesses]
        assert given == sorted(given, reverse=True)
        assert sum(given) == pytest.approx(expected.max().item(), rel=1e-4)
        for like in one.likenesses:
            assert like.sample % 3 == like.class_of
            assert np.allclose(like.there.picture[..., 0], x[like.sample, 0], atol=1e-6)
            assert np.array_equal(like.here.picture, one.picture)


def test_a_training_image_looks_like_its_own_place(pushed):
    layer, x, preprocess = pushed
    sample = int(layer.sample[4])
    likenesses = explain(layer, x[[sample]], lambda ids: x[ids], preprocess, most=6)[0].likenesses
    alike = max(likenesses, key=lambda like: like.similarity)
    assert alike.similarity == pytest.approx(9.2103, abs=1e-3)
    assert (alike.sample, alike.here.box) == (sample, alike.there.box)


def test_other_images_than_those_of_the_push_are_noticed(pushed):
    layer, x, preprocess = pushed
    assert len(source_patches(layer, [0, 5], lambda ids: x[ids], preprocess)) == 2
    with pytest.raises(InputError, match="not the training images that the prototypes are places of"):
        source_patches(layer, [0, 5], lambda ids: 1000 * x[ids], preprocess)


def test_a_box_holds_the_place_and_nothing_that_lies_apart():
    alike = torch.zeros(4, 4)
    alike[0, 3], alike[3, 0] = 1.0, 0.99
    left, top, width, height = box_around(alike, (0, 3), 16, 16)
    assert (left + width, top) == (16, 0)
    assert 2 <= width == height <= 6
    one = torch.ones(2, 2)
    assert box_around(one, (1, 1), 8, 6) == (0, 0, 6, 8)


@pytest.mark.slow
def test_pictures_are_written(pushed, tmp_path):
    layer, x, preprocess = pushed
    draw_prototypes(layer, lambda ids: x[ids], preprocess, CLASSES, tmp_path / "prototypes.png")
    explained = explain(layer, x[:2], lambda ids: x[ids], preprocess)
    draw_explained(explained, [(0, 0), (1, -1)], CLASSES, tmp_path / "looks-like.png", "caption", {"key": "text"})
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in ("prototypes.png", "looks-like.png"))
