"""Which numbers are classes: what a person would say of a few arrays, in every type that files have."""

import numpy as np
import pytest
import torch

from simclr.data.class_numbers import class_numbers
from simclr.data.images.arrays import Arrays
from simclr.data.scenes.scene import SceneSource
from simclr.errors import InputError

GT = np.array([[0, 1, 2], [3, 1, 0]])
MARKED = np.array([[-1, 0, 1], [2, 0, -1]])


def of_scene(values, unlabelled=None):
    return class_numbers(np.asarray(values), "it", unlabelled, zero=True).tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, ">i4", np.int64, np.float32, ">f8"])
def test_zero_is_unlabelled_where_nothing_else_says_so(dtype):
    assert of_scene(GT.astype(dtype)) == [[-1, 1, 2], [3, 1, -1]]


@pytest.mark.parametrize("dtype", [np.int8, ">i2", np.int64, np.float32])
def test_where_minus_one_is_unlabelled_zero_is_a_class(dtype):
    assert of_scene(MARKED.astype(dtype)) == MARKED.tolist()


def test_any_negative_number_and_nan_are_unlabelled():
    assert of_scene([[-9999, 1, 2]]) == [[-1, 1, 2]]
    assert of_scene([[np.nan, 1.0, 2.0]]) == [[-1, 1, 2]]
    assert of_scene([[-1, -7, 2]]) == [[-1, -1, 2]]
    assert of_scene(np.array([[True, False]])) == [[1, -1]]


@pytest.mark.parametrize(
    ("dtype", "fill"), [(np.uint8, 255), (np.uint16, 65535), (np.float64, 255), (np.uint64, 2**64 - 1)]
)
def test_the_largest_number_of_a_type_is_asked_about(dtype, fill):
    values = np.array([[fill, 0, 1], [2, 0, fill]], dtype=dtype)
    with pytest.raises(InputError, match=rf"it holds {fill} beside the numbers 0 to 2: set data.unlabelled={fill} if"):
        of_scene(values)
    if fill < 2**53:
        assert of_scene(values, 0) == [[fill, -1, 1], [2, -1, fill]]
    assert of_scene(values, fill) == MARKED.tolist()
    assert of_scene(values, [0, fill]) == [[-1, -1, 1], [2, -1, -1]]


def test_classes_up_to_the_largest_number_are_classes():
    every = np.arange(256, dtype=np.uint8)[None]
    assert of_scene(every) == [[-1, *range(1, 256)]]
    assert of_scene(np.array([[0, 7, 200, 254]], dtype=np.uint8)) == [[-1, 7, 200, 254]]


@pytest.mark.parametrize("mark", [-9999.0, -2.0, np.nan])
def test_zero_beside_a_mark_is_asked_about(mark):
    values = np.array([[mark, 0, 1], [2, 0, 3]])
    with pytest.raises(InputError, match=r"it holds 0 and, for unlabelled, .*set data.unlabelled=0 if 0 is unlabelled"):
        of_scene(values)
    assert of_scene(values, 0) == [[-1, -1, 1], [2, -1, 3]]
    assert of_scene(values, -1) == [[-1, 0, 1], [2, 0, 3]]


@pytest.mark.parametrize("values", [[[0.5, 1.0]], [[np.inf, 1.0]], [[2.0**60, 1.0]], [["a", "b"]], [[1j, 2]]])
def test_what_is_no_class_number(values):
    with pytest.raises(InputError, match="class number"):
        of_scene(values)


def test_a_scene_and_arrays_follow_it(tmp_path):
    scene = SceneSource(torch.zeros(2, 2, 3), torch.from_numpy(MARKED))
    assert scene.labels.tolist() == MARKED.flatten().tolist()
    assert scene.class_names == ("0", "1", "2")
    assert scene.pooled(3).labels.equal(scene.labels)
    told = SceneSource(torch.zeros(2, 2, 3), torch.tensor([[255, 0, 1], [2, 0, 255]]), unlabelled=255)
    assert told.labels.equal(scene.labels)
    assert told.with_bands(None, ()).labels.equal(scene.labels)
    assert told.class_numbers == (0, 1, 2)
    np.savez(tmp_path / "a.npz", x=np.zeros((6, 4, 4), np.uint8), y=np.array([255, 0, 1, 2, 0, 255], np.uint8))
    with pytest.raises(InputError, match=r"data.unlabelled=255 if it means unlabelled.*data.unlabelled=-1 if it is"):
        Arrays(tmp_path / "a.npz")
    assert Arrays(tmp_path / "a.npz", unlabelled=255).labels.equal(scene.labels)
