import os
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simclr.data import load_indian_pines
from simclr.errors import InputError
from simclr.eval.splits.label_map import map_split, read_map

SMALL = st.lists(st.integers(0, 2), min_size=30, max_size=30)


@settings(max_examples=60, deadline=None)
@given(truth=SMALL, marks=SMALL, tested=st.none() | SMALL, exclude=st.sets(st.integers(0, 29), max_size=5))
def test_positions_come_from_the_maps_and_labels_from_the_ground_truth(truth, marks, tested, exclude):
    labels = torch.tensor(truth).view(5, 6) - 1
    train_map = torch.tensor(marks).view(5, 6) * 7
    test_map = None if tested is None else torch.tensor(tested).view(5, 6)
    first = {i for i in range(30) if marks[i]}
    second = {i for i in range(30) if tested[i]} if tested else {i for i in range(30) if truth[i]} - first
    free = {i for i in range(30) if truth[i]} - exclude
    train = first & free
    test = {i for i in second & free if truth[i] in {truth[j] for j in train}}
    if first & second or not train or not test:
        with pytest.raises(InputError):
            map_split(labels, train_map, test_map, exclude=exclude)
        return
    split = map_split(labels, train_map, test_map, exclude=exclude)
    assert split.train.tolist() == sorted(train)
    assert split.test.tolist() == sorted(test)
    assert sum(split.dropped.values()) == len(first | second) - len(train | test)


@pytest.mark.parametrize("suffix", [".mat", ".npy", ".npz"])
def test_a_map_is_read_from_every_kind_of_file(tmp_path, suffix):
    marks = np.zeros((5, 6), dtype=np.uint8)
    marks[2, 3:] = [1, 9, 4]
    file = tmp_path / f"map{suffix}"
    if suffix == ".mat":
        scipy.io.savemat(file, {"a_name": marks, "note": "text"})
    else:
        (np.save if suffix == ".npy" else np.savez)(file, marks)
    assert read_map(file).nonzero().tolist() == [[2, 3], [2, 4], [2, 5]]


def test_bad_input_is_one_line(tmp_path):
    labels = torch.zeros(5, 6, dtype=torch.int64)
    with pytest.raises(InputError, match="4x6 pixels, but the scene has 5x6"):
        map_split(labels, torch.ones(4, 6))
    with pytest.raises(InputError, match="does not exist"):
        read_map(tmp_path / "none.mat")
    np.save(tmp_path / "cube.npy", np.ones((3, 4, 5)))
    with pytest.raises(InputError, match="3x4x5"):
        read_map(tmp_path / "cube.npy")
    np.savez(tmp_path / "two.npz", a=np.ones((3, 4)), b=np.ones((3, 4)))
    with pytest.raises(InputError, match="a 3x4, b 3x4"):
        read_map(tmp_path / "two.npz")


def test_the_disjoint_map_of_indian_pines():
    """Other class numbers, and 151 pixels without a label: facts about the file that were counted elsewhere."""
    folder = os.environ.get("SIMCLR_DATA")
    if folder is None:
        pytest.skip("SIMCLR_DATA is not set")
    marks = read_map(Path(folder) / "hsi_gt" / "indianpines_disjoint_dset.mat")
    labels = load_indian_pines().labels.view(145, 145)
    split = map_split(labels, marks)
    assert split.dropped["marked for training, unlabelled"] == 151
    assert len(split.train) == int(marks.sum()) - 151
    assert len(split.train) + len(split.test) + split.dropped.get("of classes without a training sample", 0) == 10249


def test_a_map_follows_the_convention_of_a_ground_truth(tmp_path):
    """Negative numbers mark nothing, and then 0 is a class; a mask is one whatever its number."""
    file = tmp_path / "map.npy"
    for marks in ([[0, 1, 0], [2, 0, 7]], [[-1, 0, -1], [1, -1, 5]], [[0, 255, 0], [255, 0, 255]]):
        np.save(file, np.array(marks))
        assert read_map(file).nonzero().tolist() == [[0, 1], [1, 0], [1, 2]]
    for marks in ([[0, 1, 2], [255, 0, 1]], [[-9999, 0, 1], [2, 0, 1]]):
        np.save(file, np.array(marks))
        with pytest.raises(InputError, match="replace"):
            read_map(file)
