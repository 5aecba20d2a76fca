"""Which array is the cube, and which of its axes are which."""

import numpy as np
import pytest
import scipy.io

from simclr.data.scenes.scene_file import load_scene
from simclr.errors import InputError

LAYOUTS = {"HWC": (0, 1, 2), "CHW": (2, 0, 1), "HCW": (0, 2, 1)}


def pixels(scene) -> np.ndarray:
    return scene.cube.permute(1, 2, 0).numpy()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_bands_that_are_not_last_are_asked_about(tmp_path, made_scene, layout, seed):
    cube, _ = made_scene(seed=seed)
    np.save(tmp_path / "a.npy", cube.transpose(LAYOUTS[layout]))
    if layout == "HWC":
        np.testing.assert_array_equal(pixels(load_scene(tmp_path / "a.npy")), cube)
    else:
        with pytest.raises(InputError, match=f"set data.layout={layout}, or data.layout=HWC if the last one is"):
            load_scene(tmp_path / "a.npy")
    np.testing.assert_array_equal(pixels(load_scene(tmp_path / "a.npy", layout=layout)), cube)
    assert load_scene(tmp_path / "a.npy", layout="HWC").in_chans == cube.transpose(LAYOUTS[layout]).shape[2]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_ground_truth_or_wavelengths_say_where_the_bands_are(tmp_path, made_scene, layout):
    cube, truth = made_scene()
    stored = cube.transpose(LAYOUTS[layout])
    np.savez(tmp_path / "a.npz", cube=stored, truth=truth)
    scene = load_scene(tmp_path / "a.npz", ground_truth_key="truth")
    np.testing.assert_array_equal(pixels(scene), cube)
    np.testing.assert_array_equal(scene.ground_truth.numpy(), truth)
    np.savez(tmp_path / "a.npz", cube=stored, wavelengths=np.linspace(400, 2500, 30))
    scene = load_scene(tmp_path / "a.npz")
    np.testing.assert_array_equal(pixels(scene), cube)
    assert len(scene.wavelengths) == 30


def test_numbers_without_structure_say_nothing(tmp_path):
    noise = np.random.default_rng(0).integers(0, 999, (30, 20, 25))
    np.save(tmp_path / "a.npy", noise)
    np.testing.assert_array_equal(pixels(load_scene(tmp_path / "a.npy")), noise)
    np.save(tmp_path / "a.npy", np.zeros((30, 20, 25)))
    assert load_scene(tmp_path / "a.npy").in_chans == 25


@pytest.mark.parametrize("bands_first", [True, False])
@pytest.mark.parametrize("order", ["F", "C"])
def test_a_flattened_cube_is_put_together_in_its_own_order(tmp_path, made_scene, order, bands_first):
    cube, truth = made_scene(seed=3)
    flat = cube.reshape((2000, 30), order=order)
    scipy.io.savemat(tmp_path / "a.mat", {"Y": flat.T if bands_first else flat, "nRow": 40, "nCol": 50})
    np.testing.assert_array_equal(pixels(load_scene(tmp_path / "a.mat")), cube)
    # A flat ground truth has the same order.
    np.save(tmp_path / "gt.npy", truth.ravel(order=order))
    scene = load_scene(tmp_path / "a.mat", ground_truth=tmp_path / "gt.npy")
    np.testing.assert_array_equal(scene.ground_truth.numpy(), truth)


def test_a_square_one_is_put_together_by_columns(tmp_path, made_scene):
    cube, _ = made_scene(height=40, width=40)
    for order, expected in (("F", cube), ("C", cube.transpose(1, 0, 2))):
        scipy.io.savemat(tmp_path / "a.mat", {"Y": cube.reshape((1600, 30), order=order), "nRow": 40, "nCol": 40})
        np.testing.assert_array_equal(pixels(load_scene(tmp_path / "a.mat")), expected)


def test_what_else_a_file_holds_does_not_disturb(tmp_path, made_scene):
    cube, truth = made_scene()
    others = {"name": np.array("a text"), "h": np.array("x"), "wavelengths": np.array(["a"] * 30), "complex": cube * 1j}
    np.savez(tmp_path / "a.npz", cube=cube[None], truth=truth[:, :, None], empty=np.zeros((0, 5, 5)), **others)
    scene = load_scene(tmp_path / "a.npz", ground_truth_key="truth")
    np.testing.assert_array_equal(pixels(scene), cube)
    np.testing.assert_array_equal(scene.ground_truth.numpy(), truth)
    np.savez(tmp_path / "gt.npz", truth=truth[None], **others)
    scene = load_scene(tmp_path / "a.npz", ground_truth=tmp_path / "gt.npz")
    np.testing.assert_array_equal(scene.ground_truth.numpy(), truth)
    for key in ("complex", "empty", "name"):
        with pytest.raises(InputError, match=r"a cube is \(height, width, bands\)"):
            load_scene(tmp_path / "a.npz", cube_key=key)


def test_a_cube_in_a_struct_is_found_and_named(tmp_path, made_scene):
    cube, truth = made_scene()
    inside = {"image": {"data": cube, "nRow": 3}, "gt": truth}
    scipy.io.savemat(tmp_path / "a.mat", {"scene": inside, "other": np.eye(4)})
    np.testing.assert_array_equal(pixels(load_scene(tmp_path / "a.mat")), cube)
    keys = {"cube_key": "scene.image.data", "ground_truth_key": "scene.gt"}
    np.testing.assert_array_equal(load_scene(tmp_path / "a.mat", **keys).ground_truth.numpy(), truth)
    with pytest.raises(
        InputError, match=r"holds scene.image.data uint16 40x50x30, scene.gt uint8 40x50, other float64"
    ):
        load_scene(tmp_path / "a.mat", cube_key="scene")
    scipy.io.savemat(tmp_path / "a.mat", {"s": {"Y": cube.reshape((2000, 30), order="F").T, "nRow": 40, "nCol": 50}})
    np.testing.assert_array_equal(pixels(load_scene(tmp_path / "a.mat")), cube)
    scipy.io.savemat(tmp_path / "a.mat", {"cells": np.array([[cube, "a"]], dtype=object)})
    with pytest.raises(InputError, match="no numeric array outside of cells and arrays of structs"):
        load_scene(tmp_path / "a.mat")
