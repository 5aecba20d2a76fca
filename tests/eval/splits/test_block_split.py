import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simclr.data import load_indian_pines
from simclr.errors import InputError
from simclr.eval.splits.block_split import block_split
from simclr.eval.splits.leakage import leakage


def fields(seed, height=30, width=34, classes=3, cell=6):
    """A patchwork of square fields, every fifth of them unlabelled."""
    g = np.random.default_rng(seed)
    coarse = g.integers(0, classes, (height // cell + 1, width // cell + 1))
    coarse[g.random(coarse.shape) < 0.2] = -1
    return torch.from_numpy(np.kron(coarse, np.ones((cell, cell), dtype=np.int64))[:height, :width])


@settings(max_examples=25, deadline=None)
@given(
    fields_seed=st.integers(0, 10**6),
    seed=st.integers(0, 10**6),
    patch=st.sampled_from([1, 3, 5, 7]),
    shots=st.integers(1, 12),
    excluded=st.integers(0, 60),
)
def test_no_patch_of_a_test_pixel_meets_one_of_a_training_pixel(fields_seed, seed, patch, shots, excluded):
    labels = fields(fields_seed)
    exclude = np.random.default_rng(seed).permutation(labels.numel())[:excluded].tolist()
    split = block_split(labels, seed, patch, shots=shots, exclude=exclude)
    height, width = labels.shape
    places = [(i // width, i % width) for i in split.train.tolist()]
    for i in split.test.tolist():
        # At patch - 1 the two patches would share their edge.
        assert all(abs(i // width - r) >= patch or abs(i % width - c) >= patch for r, c in places)
    assert leakage(split.train, split.test, height, width, patch) == (0.0, 0.0)
    flat = labels.flatten()
    used = {*split.train.tolist(), *split.test.tolist()}
    assert not used & set(exclude)
    assert all(flat[i] >= 0 for i in used)
    free = [i for i in range(len(flat)) if flat[i] >= 0 and i not in set(exclude)]
    for c in flat[free].unique().tolist():
        mine = [i for i in free if flat[i] == c]
        train, test = (sum(int(flat[i]) == c for i in part.tolist()) for part in (split.train, split.test))
        if c in split.left_out:
            assert train == test == 0
        else:
            assert 1 <= train <= min(shots, len(mine) // 2)
            assert test >= 0.1 * len(mine)
    assert sum(split.dropped.values()) + len(used) == len(free)


def test_fewer_shots_are_a_subset_with_the_same_test_part():
    labels = fields(1)
    few, more = (block_split(labels, 5, 3, shots=k, most=12) for k in (4, 12))
    assert set(few.train.tolist()) < set(more.train.tolist())
    assert few.test.equal(more.test)
    small, large = (block_split(labels, 5, 3, share=s, most=0.1) for s in (0.01, 0.1))
    assert set(small.train.tolist()) < set(large.train.tolist())
    assert small.test.equal(large.test)
    counts = labels[labels >= 0].bincount().tolist()
    assert labels.flatten()[small.train].bincount().tolist() == [max(1, round(0.01 * n)) for n in counts]


def test_it_is_a_function_of_its_arguments_and_seeds_differ():
    labels = fields(2)
    assert block_split(labels, 0, 5, shots=5).train.equal(block_split(labels.clone(), 0, 5, shots=5).train)
    assert len({tuple(block_split(labels, seed, 5, shots=5).train.tolist()) for seed in range(6)}) == 6


@functools.cache
def pines():
    return load_indian_pines().labels.view(145, 145)


@pytest.mark.parametrize("seed", range(3))
def test_indian_pines_keeps_most_of_its_test_pixels(seed):
    """Classes of one small field cannot be shared; everything else can, and half of the pixels stay to be tested."""
    split = block_split(pines(), seed, 9, shots=20)
    assert set(split.left_out) <= {0, 6, 8}  # Alfalfa, Grass-pasture-mowed, Oats
    assert len(split.test) > 0.6 * 10249
    assert leakage(split.train, split.test, 145, 145, 9) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": torch.zeros(9, dtype=torch.int64)}, "height, width"),
        ({"shots": None}, "one of the two"),
        ({"share": 0.1}, "one of the two"),
        ({"shots": 0}, "1 or more shots"),
        ({"shots": None, "share": 1.0}, "between 0 and 1"),
        ({"patch_size": 4}, "odd number"),
        ({"side": 0}, "1 pixel or more"),
        ({"exclude": [1020]}, "belong to other data"),
        ({"labels": torch.full((30, 34), -1)}, "no labelled sample"),
        ({"patch_size": 31}, "too small for patches of 31"),
    ],
)
def test_bad_input_is_one_line(change, message):
    with pytest.raises(InputError, match=message) as error:
        block_split(**{"labels": fields(0), "seed": 0, "patch_size": 5, "shots": 5, **change})
    assert "\n" not in str(error.value)
