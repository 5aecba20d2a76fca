"""Pixels that hold a mark instead of a spectrum, and what comes of them."""

import numpy as np
import pytest
import torch

from simclr.data.fitting import fit_preprocess
from simclr.data.moments import moments_of
from simclr.data.open import open_source
from simclr.data.scenes.scene_file import load_scene
from simclr.errors import InputError
from simclr.recipe.read import check_recipe


@pytest.mark.parametrize(
    ("dtype", "mark"),
    [(np.int16, -9999), (np.int16, -32768), (np.float32, -999), (np.float64, -3.4028234663852886e38), (">f4", 1e20)],
)
def test_a_usual_mark_is_asked_about_and_then_left_out(tmp_path, made_scene, dtype, mark):
    cube, truth = made_scene()
    assert cube.max() < 2**15
    marked = cube.astype(dtype)
    marked[:7, :, 3] = mark  # one band is enough
    np.savez(tmp_path / "a.npz", cube=marked, truth=truth)
    with pytest.raises(InputError, match=r"350 pixels of the cube in .* set data.no_data=") as caught:
        load_scene(tmp_path / "a.npz")
    said = str(caught.value).partition("data.no_data=")[2].partition(",")[0]
    scene = load_scene(tmp_path / "a.npz", ground_truth_key="truth", no_data=float(said))
    np.testing.assert_array_equal(scene.no_data.numpy(), np.arange(40)[:, None].repeat(50, 1) < 7)
    np.testing.assert_array_equal(scene.cube.permute(1, 2, 0).numpy()[7:], cube[7:])
    expected = np.where(np.arange(40)[:, None] < 7, -1, truth.astype(int) - 1)
    np.testing.assert_array_equal(scene.labels.reshape(40, 50).numpy(), expected)
    for seen in (scene, scene.pooled(3), scene.with_bands(None, ())):
        moments = moments_of(seen, covariance=True)
        measured = cube[7:].reshape(-1, 30).astype(float)
        np.testing.assert_allclose(moments.mean, measured.mean(0))
        np.testing.assert_allclose(moments.scatter / moments.count, np.cov(measured.T, bias=True), rtol=1e-6, atol=1e-6)
    units = fit_preprocess(scene).to_units(scene.cube[None])
    assert float(units[0, :, :7].abs().max()) < 0.01


def test_values_that_only_resemble_a_mark_are_values(tmp_path, made_scene):
    cube, _ = made_scene()
    reflectance = cube.astype(np.int16) - 2000
    reflectance[0, 0, 0], reflectance[0, 1, 0] = -9999, -9000
    np.save(tmp_path / "a.npy", reflectance)
    np.testing.assert_array_equal(load_scene(tmp_path / "a.npy").cube.permute(1, 2, 0).numpy(), reflectance)


def test_whole_zero_pixels_are_told_and_left_out_when_asked(tmp_path, made_scene):
    cube, _ = made_scene()
    cube[:3, :10] = 0
    cube[30:, :, :5] = 0  # zeros in some bands are values
    np.save(tmp_path / "a.npy", cube)
    (note,) = load_scene(tmp_path / "a.npy").notes
    assert note.startswith("30 pixels of ")
    assert note.endswith("hold 0 in every band: set data.no_data=0 if nothing was measured there")
    scene = load_scene(tmp_path / "a.npy", no_data=0)
    assert (int(scene.no_data.sum()), scene.notes) == (30, ())


def test_a_dead_band_is_a_bad_one(tmp_path, made_scene):
    cube, _ = made_scene()
    cube = cube.astype(np.int16)
    cube[:, :, [4, 9]], cube[0, 0] = -9999, -9999
    np.save(tmp_path / "a.npy", cube)
    section = {"source": "scene", "path": str(tmp_path / "a.npy"), "no_data": -9999, "bad_bands": [1]}
    scene = open_source(check_recipe({"data": section}).data)
    assert scene.bad_bands == (1, 4, 9)
    assert int(scene.no_data.sum()) == 1
    assert torch.isfinite(fit_preprocess(scene, whiten=5)(scene[torch.arange(50)])).all()
    np.save(tmp_path / "a.npy", np.full_like(cube, -9999))
    with pytest.raises(InputError, match="every pixel"):
        open_source(check_recipe({"data": section}).data)
