import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simclr.data import load_indian_pines
from simclr.errors import InputError
from simclr.eval.splits.leakage import leakage
from simclr.eval.splits.split import k_shot, stratified


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    patch=st.sampled_from([1, 3, 5, 7]),
    seed=st.integers(0, 10**6),
    data=st.data(),
)
def test_leakage_is_counted_pixel_by_pixel(height, width, patch, seed, data):
    """Patches as sets of pixels, wherever they lie."""
    n = height * width
    train = data.draw(st.integers(0, n - 1))
    order = np.random.default_rng(seed).permutation(n)
    first, rest = order[:train], order[train:]

    def pixels(i):
        r, c, half = i // width, i % width, patch // 2
        return {(y, x) for y in range(r - half, r + half + 1) for x in range(c - half, c + half + 1)}

    seen = set().union(*map(pixels, first.tolist())) if train else set()
    inside = np.mean([(i // width, i % width) in seen for i in rest.tolist()])
    touching = np.mean([bool(pixels(i) & seen) for i in rest.tolist()])
    found = leakage(torch.from_numpy(first), torch.from_numpy(rest), height, width, patch)
    assert found == pytest.approx((inside, touching))


@pytest.mark.parametrize(("shots", "published"), [(5, (0.32, 0.66)), (20, (0.69, 0.96)), (None, (1.0, 1.0))])
def test_random_splits_of_indian_pines_leak_as_others_found(shots, published):
    """9 x 9 patches, by an independent count: 5 a class 32 / 66 %, 20 a class 69 / 96 %, a tenth 100 / 100 %."""
    labels = load_indian_pines().labels
    found = []
    for seed in range(10):
        split = stratified(labels, 0.1, seed) if shots is None else k_shot(labels, shots, seed)
        found.append(leakage(split.train, split.test, 145, 145, 9))
    assert np.mean(found, axis=0) == pytest.approx(published, abs=0.02)


def test_bad_input_is_one_line():
    ids = torch.tensor([0])
    with pytest.raises(InputError, match="odd number"):
        leakage(ids, ids, 3, 3, 2)
    with pytest.raises(InputError, match="no test pixel"):
        leakage(ids, ids[:0], 3, 3, 3)
