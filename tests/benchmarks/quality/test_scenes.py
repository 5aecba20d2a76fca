"""Scenes and what is made of them."""

import numpy as np
import pytest

from benchmarks.quality.scenes import (
    NotAtHandError,
    Scene,
    at_hand,
    clear,
    drifting,
    east,
    noisy,
    open_scene,
    samson,
    save_scene,
    second_bands,
    west,
)


@pytest.fixture
def scene():
    g = np.random.default_rng(0)
    labels = np.ones((20, 30), dtype=np.int64)
    labels[:, 15:] = 2
    labels[0, :5] = 3
    labels[5, 5] = 0
    return Scene(g.integers(0, 5000, (20, 30, 6)).astype(np.uint16), labels, unknown=True)


def test_halves_lose_their_rare_classes(scene):
    left, right = west(scene), east(scene)
    np.testing.assert_array_equal(np.concatenate([left.cube, right.cube], 1), scene.cube)
    assert np.unique(left.labels).tolist() == [0, 1]
    assert int((left.labels == 1).sum()) == 20 * 15 - 5 - 1
    assert np.unique(right.labels).tolist() == [2]
    assert int((scene.labels == 3).sum()) == 5  # the scene itself keeps them


def test_second_bands_noise_and_drift(scene):
    np.testing.assert_array_equal(second_bands(scene).cube, scene.cube[:, :, [0, 2, 4]])
    noise = noisy(scene).cube - scene.cube
    np.testing.assert_allclose(noise.std((0, 1)), 0.02 * scene.cube.mean((0, 1)), rtol=0.15)
    np.testing.assert_array_equal(noisy(scene).cube, noisy(scene).cube)
    gain = drifting(scene).cube[3, :, 2] / scene.cube[3, :, 2]
    assert (gain[0], gain[-1]) == pytest.approx((0.8, 1.25), rel=1e-5)
    np.testing.assert_allclose(gain[1:] / gain[:-1], (1.25 / 0.8) ** (1 / 29), rtol=1e-5)


def test_a_clearer_scene_keeps_a_share_of_what_tells_a_pixel_from_its_surroundings(scene):
    cube = scene.cube.astype(float)
    middle = np.median(cube[4:9, 10:15, 3])
    assert clear(scene).cube[6, 12, 3] == pytest.approx(middle + 0.35 * (cube[6, 12, 3] - middle), rel=1e-6)


def test_pretraining_gets_the_cube_alone_and_the_judge_the_same_cube_with_labels(scene, tmp_path):
    file = save_scene(scene, tmp_path / "small")
    assert [path.name for path in file.parent.iterdir()] == ["cube.npy"]
    source = open_scene(scene, file, 5)
    np.testing.assert_array_equal(source.cube.permute(1, 2, 0).numpy(), scene.cube)
    np.testing.assert_array_equal(source.labels.view(20, 30).numpy(), scene.labels - 1)
    assert (source.patch_size, source.value_max) == (5, 65535)


def test_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(NotAtHandError, match="SIMCLR_DATA"):
        samson(None)
    with pytest.raises(NotAtHandError, match=r"Samson\.mat is not there"):
        at_hand(tmp_path, "samson/Samson.mat")
