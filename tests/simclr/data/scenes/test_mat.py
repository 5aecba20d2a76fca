"""MATLAB files: SciPy's reader is the reference where it survives."""

import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from simclr.data.scenes.mat import read_mat
from simclr.errors import InputError

NUMBERS = {
    "cube": np.arange(60, dtype=np.uint16).reshape(3, 4, 5),
    "wide": np.random.default_rng(0).normal(size=(7, 2)),
    "small": np.array([[1, 2]], dtype=np.int8),
    "single": np.float32([[0.5, -1]]),
    "long": np.array([[2**40, -3]]),
    "yes": np.array([[True, False]]),
    "none": np.zeros((0, 3)),
}
OTHERS = {
    "text": "a text",
    "texts": np.array(["one", "three"]),
    "complex": np.array([[1 + 2j]]),
    "cell": np.array([[NUMBERS["wide"], "a"]], dtype=object),
    "structs": np.array([(1, 2.0), (3, 4.0)], dtype=[("a", "O"), ("b", "O")]),
}


def reference(file: Path) -> dict[str, np.ndarray]:
    found = {}

    def flat(name, value):
        if value.dtype.names and value.size == 1:
            for field in value.dtype.names:
                flat(f"{name}.{field}", value.ravel()[0][field])
        elif value.dtype.kind in "uifb":
            found[name] = value

    for name, value in scipy.io.loadmat(file).items():
        if isinstance(value, np.ndarray):
            flat(name, value)
    return found


def check_same(file: Path) -> None:
    found, expected = read_mat(file), reference(file)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape), name
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize("do_compression", [False, True])
def test_numbers_are_those_that_scipy_reads(tmp_path, do_compression):
    nested = {"field": NUMBERS["cube"], "deeper": {"still": {"x": NUMBERS["wide"], "t": "text"}}, "c": OTHERS["cell"]}
    scipy.io.savemat(tmp_path / "a.mat", {**NUMBERS, **OTHERS, "s": nested}, do_compression=do_compression)
    check_same(tmp_path / "a.mat")
    assert {"s.field", "s.deeper.still.x"} <= read_mat(tmp_path / "a.mat").keys()


def test_files_of_matlab_4_are_read(tmp_path):
    matrices = {name: NUMBERS[name] for name in ("wide", "single")} | {"counts": np.array([[7, 65535]], np.uint16)}
    scipy.io.savemat(tmp_path / "a.mat", {**matrices, "complex": OTHERS["complex"]}, format="4")
    check_same(tmp_path / "a.mat")


def test_files_that_come_with_scipy():
    """Written by MATLAB 4 to 7 on four kinds of machine; objects and functions are left out here, and read there."""
    folder = Path(scipy.io.__file__).parent / "matlab" / "tests" / "data"
    files = [f for f in sorted(folder.glob("test*.mat")) if "object" not in f.name and "hdf5" not in f.name]
    if not files:
        pytest.skip("SciPy was installed without its tests")
    assert len(files) > 50
    for file in files:
        check_same(file)


def test_a_struct_of_v73_is_named_by_a_dotted_path(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file["scene/data"] = NUMBERS["cube"].T
        file["#refs#/a"] = NUMBERS["wide"]
    found = read_mat(tmp_path / "a.mat")
    assert list(found) == ["scene.data"]
    np.testing.assert_array_equal(found["scene.data"], NUMBERS["cube"])


def test_a_file_made_to_fill_the_memory_is_refused_at_once(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "v73.mat", "w") as file:
        file.create_dataset("x", shape=(10**6, 10**7), chunks=(10**3, 10**3), dtype="f8")
    scipy.io.savemat(tmp_path / "v7.mat", {"x": np.zeros(3)}, do_compression=True)
    head = (tmp_path / "v7.mat").read_bytes()[:128]
    packed = zlib.compress(struct.pack("<II", 14, 2**32 - 8) + bytes(10**6))
    (tmp_path / "v7.mat").write_bytes(head + struct.pack("<II", 15, len(packed)) + packed)
    (tmp_path / "v6.mat").write_bytes(head + struct.pack("<II", 14, 2**31))
    (tmp_path / "v4.mat").write_bytes(struct.pack("<5i", 0, 2**30, 2**30, 0, 2) + b"x\0")
    for name in ("v73", "v7", "v6", "v4"):
        with pytest.raises(InputError, match="cannot be read as a MATLAB file") as caught:
            read_mat(tmp_path / f"{name}.mat")
        assert "\n" not in str(caught.value)


def test_objects_of_newer_versions_are_passed_over(tmp_path):
    """Strings, tables and dates are opaque: after what they are follow their names, and no shape."""
    scipy.io.savemat(tmp_path / "a.mat", {"wide": NUMBERS["wide"]})
    texts = b"".join(struct.pack("<II", 1, len(t)) + t.ljust(8, b"\0") for t in (b"s", b"MCOS", b"string"))
    opaque = struct.pack("<IIII", 6, 8, 17, 0) + texts
    with open(tmp_path / "a.mat", "ab") as file:
        file.write(struct.pack("<II", 14, len(opaque)) + opaque)
    assert list(read_mat(tmp_path / "a.mat")) == ["wide"]


@pytest.mark.parametrize("kind", ["5", "5 compressed", "4", "v73"])
def test_damaged_files_are_refused_or_read_and_nothing_else(tmp_path, kind):
    """SciPy's compiled reader ends the interpreter on some of these."""
    file = tmp_path / "a.mat"
    if kind == "v73":
        h5py = pytest.importorskip("h5py")
        with h5py.File(file, "w") as content:
            content["cube"] = NUMBERS["cube"]
            content.create_dataset("s/x", data=NUMBERS["wide"], compression="gzip")
    elif kind == "4":
        scipy.io.savemat(file, {"wide": NUMBERS["wide"], "text": "a"}, format="4")
    else:
        scipy.io.savemat(file, {**NUMBERS, **OTHERS, "s": {"x": {"y": NUMBERS["cube"]}}}, do_compression=" " in kind)
    good, rng = file.read_bytes(), random.Random(0)
    refused: list[str] = []
    for _ in range(300):
        bad = bytearray(good)
        for _ in range(rng.choice([1, 2, 8])):
            at = rng.randrange(len(bad))
            piece = rng.choice([bytes([rng.randrange(256)]), b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", bytes(4)])
            bad[at : at + len(piece)] = piece
        file.write_bytes(bad[: rng.choice([len(bad), rng.randrange(1, len(bad))])])
        try:
            read_mat(file)
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 100
    assert not any("\n" in text for text in refused)
