"""Flips and quarter turns: pixels, matrices, masks and keypoints."""

import pytest
import torch
from kornia.augmentation import AugmentationSequential

from simclr.augment import (
    RandomAffine,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation90,
    RandomVerticalFlip,
)
from simclr.augment.rotation90 import rotate90

PATCHES = torch.arange(6 * 4 * 7 * 7, dtype=torch.float32).view(6, 4, 7, 7)


def test_rotate90_equals_torch_per_sample():
    turns = torch.tensor([0, 1, 2, 3, 1, 2])
    expected = torch.stack([torch.rot90(x, int(k), (-2, -1)) for x, k in zip(PATCHES, turns)])
    assert torch.equal(rotate90(PATCHES, turns), expected)


def test_rotate90_mirrors_first_in_the_same_move():
    turns = torch.arange(4).repeat(4)
    up, side = torch.arange(16) % 8 >= 4, torch.arange(16) >= 8
    x = torch.rand(16, 2, 5, 5)
    expected = []
    for image, k, y, z in zip(x, turns.tolist(), up.tolist(), side.tolist()):
        image = image.flip(-2) if y else image
        expected.append(torch.rot90(image.flip(-1) if z else image, k, (-2, -1)))
    assert torch.equal(rotate90(x, turns, up, side), torch.stack(expected))


def test_rotation90_draws_all_turns_alike_and_wants_squares():
    u = torch.linspace(0, 1 - 2.0**-24, 4000).view(-1, 1)
    turns = RandomRotation90().compute_parameters(u, (4000, 1, 3, 3))["turns"]
    assert turns.bincount().tolist() == [1000] * 4
    with pytest.raises(ValueError, match="square"):
        RandomRotation90()(torch.rand(2, 1, 3, 4))


@pytest.mark.parametrize(("flip", "dim"), [(RandomHorizontalFlip, -1), (RandomVerticalFlip, -2)])
def test_flips_flip_the_gated_samples(flip, dim):
    uniforms = torch.tensor([[0.2], [0.7], [0.49], [0.5], [0.0], [0.99]])
    op = flip(p=0.5)
    out = op(PATCHES, params=op.forward_parameters(PATCHES.shape, uniforms=uniforms))
    flipped = torch.tensor([True, False, True, False, True, False]).view(-1, 1, 1, 1)
    assert torch.equal(out, torch.where(flipped, PATCHES.flip(dim), PATCHES))


GEOMETRY = {
    "affine": RandomAffine(),
    "horizontal flip": RandomHorizontalFlip(p=0.5),
    "vertical flip": RandomVerticalFlip(p=0.5),
    "quarter turn": RandomRotation90(),
    "crop": RandomResizedCrop(26, scale=(0.5, 1.0)),
}


@pytest.mark.parametrize("name", GEOMETRY)
def test_the_matrix_says_where_a_pixel_goes(name):
    """A blob is carried by the image; the matrix must carry its centre to the same place."""
    torch.manual_seed(3)
    at = torch.tensor([6.0, 5.0])  # x, y
    grid = torch.stack(torch.meshgrid(torch.arange(13.0), torch.arange(13.0), indexing="xy"))
    blob = torch.exp(-((grid - at.view(2, 1, 1)) ** 2).sum(0) / 0.5).expand(16, 1, 13, 13)
    op = GEOMETRY[name]
    out = op(blob)
    moved = op.transform_matrix @ torch.tensor([*at, 1.0])
    y, x = (torch.arange(float(n)) for n in out.shape[-2:])
    mass = out.sum((1, 2, 3))
    centre = torch.stack([(out.sum((1, 2)) * x).sum(1) / mass, (out.sum((1, 3)) * y).sum(1) / mass], 1)
    inside = (out.amax((1, 2, 3)) > 0.7) & ((moved[:, :2] >= 2) & (moved[:, :2] <= out.shape[-1] - 3)).all(1)
    assert inside.sum() >= 4
    torch.testing.assert_close(centre[inside], moved[inside, :2], atol=0.1, rtol=0)


@pytest.mark.parametrize("name", [n for n in GEOMETRY if n not in ("crop", "affine")])
def test_masks_follow_in_kornias_container_and_come_back(name):
    x = torch.rand(8, 1, 13, 13, generator=torch.Generator().manual_seed(1))
    sequence = AugmentationSequential(GEOMETRY[name], data_keys=["input", "mask"])
    torch.manual_seed(0)
    out, mask = sequence(x, x.clone())
    assert torch.equal(out, mask)
    if out.shape == x.shape:
        back, _ = sequence.inverse(out, mask)
        torch.testing.assert_close(back, x, atol=1e-4, rtol=0)


def test_the_mask_of_a_crop_keeps_its_labels():
    labels = torch.randint(0, 5, (6, 1, 20, 20), generator=torch.Generator().manual_seed(1)).float()
    torch.manual_seed(0)
    sequence = AugmentationSequential(RandomResizedCrop(12), data_keys=["input", "mask"])
    out, mask = sequence(labels, labels.clone())
    assert mask.shape == out.shape == (6, 1, 12, 12)
    assert set(mask.unique().tolist()) <= set(range(5))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomHorizontalFlip(p=1.2), "p is 1.2, but must be a probability between 0 and 1"),
        (lambda: RandomVerticalFlip(p=True), "probability"),
        (lambda: RandomRotation90(p=-0.1), "probability"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as error:
        make()
    assert "\n" not in str(error.value)
