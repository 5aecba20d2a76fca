"""Files of other kinds are called by their own names, and the way out is one that works."""

import gzip
import os
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from simclr.data.scenes.array_file import read_array_file
from simclr.errors import InputError

CUBE = np.random.default_rng(0).integers(0, 99, (4, 5, 3)).astype(np.uint16)


def refused(file) -> str:
    with pytest.raises(InputError) as caught:
        read_array_file(file, "data.path")
    text = str(caught.value)
    assert "\n" not in text
    assert "pickle" not in text
    return text


def follow(text, folder, monkeypatch) -> np.ndarray:
    monkeypatch.chdir(folder)
    exec(re.search(r"in Python by (.*)\.$", text)[1].replace("NAME", "cube"), {})
    return np.load("scene.npy")


def test_hdf5(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["cube"] = CUBE
    text = refused(tmp_path / "a.h5")
    assert "an HDF5 file" in text
    np.testing.assert_array_equal(follow(text, tmp_path, monkeypatch), CUBE)


def test_tiff(tmp_path, monkeypatch):
    Image.new("RGB", (5, 4)).save(tmp_path / "a.tif")
    text = refused(tmp_path / "a.tif")
    assert "a TIFF file" in text
    # rasterio gives (bands, height, width).
    opened = SimpleNamespace(read=lambda: CUBE.transpose(2, 0, 1))
    monkeypatch.setitem(sys.modules, "rasterio", SimpleNamespace(open=lambda file: opened))
    np.testing.assert_array_equal(follow(text, tmp_path, monkeypatch), CUBE)


@pytest.mark.parametrize("given", ["a.hdr", "a.img", "b.dat"])
def test_envi(tmp_path, monkeypatch, given):
    for header, data in (("a.hdr", "a.img"), ("b.dat.hdr", "b.dat")):
        (tmp_path / header).write_text("ENVI\nsamples = 5\nlines = 4\nbands = 3\n")
        (tmp_path / data).write_bytes(CUBE.tobytes())
    text = refused(tmp_path / given)
    assert "of an ENVI file" in text
    # SPy is given the header, and maps (height, width, bands).
    asked = []
    opened = SimpleNamespace(open_memmap=lambda: CUBE)
    spectral = SimpleNamespace(open_image=lambda file: asked.append(file) or opened)
    monkeypatch.setitem(sys.modules, "spectral", spectral)
    np.testing.assert_array_equal(follow(text, tmp_path, monkeypatch), CUBE)
    assert asked == [str(tmp_path / {"a.hdr": "a.hdr", "a.img": "a.hdr", "b.dat": "b.dat.hdr"}[given])]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.nc", b"CDF\x01" + bytes(60), "a netCDF file"),
        ("a.hdf", b"\x0e\x03\x13\x01" + bytes(60), "an HDF4 file"),
        ("a.mat.gz", gzip.compress(b"a" * 99), "compressed (gzip): unpack it"),
        ("a.npy", b"\x89PNG\r\n\x1a\n" + bytes(60), "a PNG picture"),
        ("a.csv", b"1,2,3\n4,5,6\n", "a text file: read it with numpy.loadtxt"),
        ("a.npy", b"", "which is empty"),
        ("a.npy", bytes(60), "does not begin as a .mat, .npy or .npz file"),
        ("a.mat", b"", "cannot be read as a MATLAB file"),
    ],
)
def test_others(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    assert said in refused(tmp_path / name)


def test_what_is_no_file(tmp_path):
    assert "which is a folder" in refused(tmp_path)
    assert "which does not exist" in refused(tmp_path / "a.mat")
    os.mkfifo(tmp_path / "b.mat")  # reading it would wait for ever
    assert "which is a named pipe" in refused(tmp_path / "b.mat")


def test_arrays_are_known_by_what_they_are(tmp_path):
    np.save(tmp_path / "cube.npy", CUBE)
    (tmp_path / "cube.npy").rename(tmp_path / "cube.mat")
    np.testing.assert_array_equal(read_array_file(tmp_path / "cube.mat", "x")[""], CUBE)
