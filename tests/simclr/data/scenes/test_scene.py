"""Scenes: patches equal to numpy's reflect padding and slicing, labels from class numbers."""

import numpy as np
import pytest
import torch

from simclr.data.scenes.indian_pines import INDIAN_PINES_CLASSES, load_indian_pines
from simclr.data.scenes.scene import SceneSource
from simclr.errors import InputError


def brute_force(cube: np.ndarray, ids: list[int], side: int) -> np.ndarray:
    pad = side // 2
    padded = np.pad(cube, ((0, 0), (pad, pad), (pad, pad)), mode="reflect")
    width = cube.shape[2]
    return np.stack([padded[:, i // width : i // width + side, i % width : i % width + side] for i in ids])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
@pytest.mark.parametrize("patch_size", [1, 5, 9])
def test_patches_equal_brute_force(dtype, patch_size):
    cube = np.random.default_rng(0).integers(0, 120, (4, 7, 11)).astype(dtype)
    scene = SceneSource(torch.from_numpy(cube), patch_size=patch_size)
    ids = [0, 10, 76, 66, 38, 38]
    patches = scene[torch.tensor(ids)]
    assert patches.dtype == torch.from_numpy(cube).dtype
    np.testing.assert_array_equal(patches.numpy(), brute_force(cube, ids, patch_size))


def test_padding_may_exceed_the_scene():
    cube = np.arange(2 * 3 * 4).reshape(2, 3, 4).astype(np.float32)
    scene = SceneSource(torch.from_numpy(cube), patch_size=13)
    np.testing.assert_array_equal(scene[torch.arange(12)].numpy(), brute_force(cube, list(range(12)), 13))


def test_mapped_keeps_the_rest():
    cube = torch.randn(5, 6, 8)
    truth = torch.randint(0, 3, (6, 8))
    scene = SceneSource(cube, truth, patch_size=3)
    ids = torch.tensor([0, 17, 47])
    weights = torch.randn(2, 5)
    mapped = scene.mapped(lambda x: torch.einsum("kc,bchw->bkhw", weights, x))
    assert (mapped.in_chans, mapped.patch_size) == (2, 3)
    torch.testing.assert_close(mapped[ids], torch.einsum("kc,bchw->bkhw", weights, scene[ids]))
    assert torch.equal(mapped.labels, scene.labels)
    assert torch.equal(scene.cube, cube)
    with pytest.raises(ValueError, match="keep height and width"):
        scene.mapped(lambda x: x[..., 1:])


def test_class_numbers_become_indices():
    truth = torch.tensor([[0, 7, 3], [200, 3, 0]])
    scene = SceneSource(torch.zeros(2, 2, 3), truth)
    assert scene.labels.tolist() == [-1, 1, 0, 2, 0, -1]
    assert scene.class_names == ("3", "7", "200")
    assert scene.labelled_ids().tolist() == [1, 2, 3, 4]
    assert torch.equal(scene.ground_truth, truth)


def test_without_ground_truth_nothing_is_labelled():
    scene = SceneSource(torch.zeros(2, 2, 3))
    assert scene.labels is None
    assert len(scene.labelled_ids()) == 0


def test_indian_pines_is_the_published_scene():
    scene = load_indian_pines(patch_size=5)
    assert (scene.height, scene.width, scene.in_chans, len(scene)) == (145, 145, 200, 21025)
    # Pixels of each class as published with the scene.
    published = [46, 1428, 830, 237, 483, 730, 28, 478, 20, 972, 2455, 593, 205, 1265, 386, 93]
    assert torch.bincount(scene.labels[scene.labelled_ids()]).tolist() == published
    assert scene.class_names == INDIAN_PINES_CLASSES
    assert (int(scene.cube.min()), int(scene.cube.max())) == (955, 9604)
    assert scene[torch.tensor([0, 21024])].shape == (2, 200, 5, 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patch_size": 4}, "patch_size is 4: a patch has a centre pixel"),
        ({"ground_truth": torch.zeros(3, 2)}, "cube of 2x3 pixels, but a ground truth of 3x2"),
        (
            {"ground_truth": torch.tensor([[1, 2, 3], [0, 0, 0]]), "class_names": ["a"]},
            "3 classes .* but 1 class names",
        ),
    ],
)
def test_what_does_not_fit(arguments, message):
    with pytest.raises(InputError, match=message):
        SceneSource(torch.zeros(2, 2, 3), **arguments)


@pytest.mark.parametrize(("patch_size", "pool"), [(9, 3), (15, 5), (21, 3), (5, 5)])
def test_pooled_patches_equal_pooling_each_patch(patch_size, pool):
    scene = SceneSource(torch.rand(3, 12, 10), patch_size=patch_size)
    ids = torch.arange(120)
    expected = torch.nn.functional.avg_pool2d(scene[ids], pool)
    torch.testing.assert_close(scene.pooled(pool)[ids], expected, atol=1e-6, rtol=0)


def test_cells_must_fill_the_patch():
    with pytest.raises(InputError, match="pool is 2"):
        SceneSource(torch.rand(3, 12, 10), patch_size=9, pool=2)
