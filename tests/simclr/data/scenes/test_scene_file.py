"""Scene files: MATLAB files of both formats, flattened cubes, and clear words for what cannot be told apart."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch

from simclr.data.scenes.scene_file import load_scene
from simclr.errors import InputError

CUBE = np.random.default_rng(0).integers(0, 60000, (6, 5, 7)).astype(np.uint16)
TRUTH = np.random.default_rng(1).integers(0, 4, (6, 5)).astype(np.uint8)


def pixels(scene) -> np.ndarray:
    return scene.cube.permute(1, 2, 0).numpy()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_mat_keeps_the_values(tmp_path, dtype):
    cube = (CUBE % 200).astype(dtype) - (np.int16(50) if dtype == np.int16 else dtype(0))
    scipy.io.savemat(tmp_path / "a.mat", {"anything": cube, "note": "text", "size": 3.0})
    scipy.io.savemat(tmp_path / "gt.mat", {"map": TRUTH})
    scene = load_scene(tmp_path / "a.mat", ground_truth=tmp_path / "gt.mat", patch_size=3)
    np.testing.assert_array_equal(pixels(scene), cube)
    np.testing.assert_array_equal(scene.ground_truth.numpy(), TRUTH)
    held = {np.uint8: torch.uint8, np.uint16: torch.int32, np.int16: torch.int16}
    assert scene.cube.dtype == held.get(dtype, torch.float32)
    assert scene.value_max == {np.uint8: 255, np.uint16: 65535, np.int16: 32767}.get(dtype)


def test_flattened_cube_is_in_column_order(tmp_path):
    flat = CUBE.transpose(2, 0, 1).reshape(7, 30, order="F")
    scipy.io.savemat(tmp_path / "a.mat", {"Y": flat, "nRow": 6, "nCol": 5, "maxValue": 1.0})
    np.testing.assert_array_equal(pixels(load_scene(tmp_path / "a.mat")), CUBE)


def test_npy_and_npz(tmp_path):
    np.save(tmp_path / "cube.npy", CUBE)
    np.savez(tmp_path / "scene.npz", cube=CUBE, truth=TRUTH)
    np.testing.assert_array_equal(pixels(load_scene(tmp_path / "cube.npy")), CUBE)
    scene = load_scene(tmp_path / "scene.npz", ground_truth_key="truth")
    np.testing.assert_array_equal(pixels(scene), CUBE)
    np.testing.assert_array_equal(scene.ground_truth.numpy(), TRUTH)


def test_v73_comes_out_like_v5(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file["cube"] = CUBE.T  # MATLAB writes columns first
        file["truth"] = TRUTH.T
    scene = load_scene(tmp_path / "a.mat", ground_truth_key="truth")
    np.testing.assert_array_equal(pixels(scene), CUBE)
    np.testing.assert_array_equal(scene.ground_truth.numpy(), TRUTH)


def test_v73_without_h5py(tmp_path, monkeypatch):
    (tmp_path / "a.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"pip install 'simclr-toolkit\[hsi\]'"):
        load_scene(tmp_path / "a.mat")


def test_the_cube_must_be_the_only_one(tmp_path):
    scipy.io.savemat(tmp_path / "two.mat", {"one": CUBE, "other": CUBE[:, :, :3]})
    with pytest.raises(InputError, match=r"2 arrays that may be the cube, one uint16 6x5x7, other uint16 6x5x3"):
        load_scene(tmp_path / "two.mat")
    np.testing.assert_array_equal(pixels(load_scene(tmp_path / "two.mat", cube_key="other")), CUBE[:, :, :3])
    scipy.io.savemat(tmp_path / "none.mat", {"spectra": CUBE[0]})
    with pytest.raises(InputError, match="holds no cube, only spectra uint16 5x7"):
        load_scene(tmp_path / "none.mat")
    with pytest.raises(InputError, match=r"data\.cube_key is 'x', but .* holds spectra"):
        load_scene(tmp_path / "none.mat", cube_key="x")


def test_ground_truth_must_fit(tmp_path):
    np.save(tmp_path / "cube.npy", CUBE)
    np.save(tmp_path / "gt.npy", TRUTH.T)
    with pytest.raises(InputError, match="cube of 6x5 pixels, but a ground truth of 5x6"):
        load_scene(tmp_path / "cube.npy", ground_truth=tmp_path / "gt.npy")
    np.savez(tmp_path / "gt.npz", a=TRUTH, b=TRUTH)
    with pytest.raises(InputError, match=r"2 arrays that may be the ground truth.*data.ground_truth_key"):
        load_scene(tmp_path / "cube.npy", ground_truth=tmp_path / "gt.npz")
    np.save(tmp_path / "half.npy", TRUTH + 0.5)
    with pytest.raises(InputError, match="whole class numbers"):
        load_scene(tmp_path / "cube.npy", ground_truth=tmp_path / "half.npy")


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_scene(tmp_path / "missing.mat")
    (tmp_path / "broken.mat").write_bytes(b"no MATLAB at all" * 20)
    with pytest.raises(InputError, match="cannot be read as a MATLAB file") as caught:
        load_scene(tmp_path / "broken.mat")
    assert "\n" not in str(caught.value)
    cube = CUBE.astype(np.float32)
    cube[0, 0, 0], cube[1, 1, 1] = np.nan, np.inf
    np.save(tmp_path / "nan.npy", cube)
    with pytest.raises(InputError, match="2 values that are NaN or infinite"):
        load_scene(tmp_path / "nan.npy")


def test_jasper_ridge():
    if "SIMCLR_DATA" not in os.environ:
        pytest.skip("SIMCLR_DATA names no folder of real data")
    file = Path(os.environ["SIMCLR_DATA"]) / "jasper_ridge" / "JasperRidge2_R198.mat"
    scene = load_scene(file)
    assert (scene.in_chans, scene.height, scene.width) == (198, 100, 100)
    flat = scipy.io.loadmat(file)["Y"]
    for row, column in ((0, 0), (3, 71), (99, 98)):
        np.testing.assert_array_equal(scene.cube[:, row, column].numpy(), flat[:, column * 100 + row])


def test_what_is_said_of_arrays_is_not_passed_over_where_it_says_nothing(tmp_path):
    np.save(tmp_path / "cube.npy", CUBE)
    np.save(tmp_path / "truth.npy", TRUTH)
    with pytest.raises(InputError, match=r"data.cube_key is 'x', but .*cube.npy is a .npy file, whose one array has"):
        load_scene(tmp_path / "cube.npy", cube_key="x")
    with pytest.raises(InputError, match=r"data.ground_truth_key is 'y', but .*truth.npy is a .npy file"):
        load_scene(tmp_path / "cube.npy", ground_truth=tmp_path / "truth.npy", ground_truth_key="y")
    scipy.io.savemat(tmp_path / "flat.mat", {"Y": CUBE.reshape(30, 7).T, "nRow": 6, "nCol": 5})
    with pytest.raises(InputError, match=r"data.layout is CHW, but the cube in .*flat.mat is flattened"):
        load_scene(tmp_path / "flat.mat", layout="CHW")
