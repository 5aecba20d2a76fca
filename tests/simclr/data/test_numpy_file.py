"""Arrays out of files that may be damaged, hostile, or something else: read right, or refused in a line."""

import gzip
import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from simclr.data.numpy_file import read_arrays
from simclr.errors import InputError

CUBE = np.random.default_rng(0).integers(0, 4000, (5, 6, 4), dtype=np.uint16)


def refusal(file: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_arrays(file, "data.path")
    text = str(caught.value)
    assert "\n" not in text
    assert "allow_pickle" not in text
    return text


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def npy_that_says(shape: str, descr: str = "<u2", data: bytes = b"\0" * 240) -> bytes:
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_npy", ".npy").replace("_txt", ".txt"), content)
    return path


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_is_mapped_and_an_npz_is_read(tmp_path, order):
    array = np.asarray(CUBE, order=order)
    np.save(tmp_path / "a.npy", array)
    (mapped,) = read_arrays(tmp_path / "a.npy", "data.path").values()
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, CUBE)
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", cube=array, labels=np.arange(3))
        got = read_arrays(tmp_path / "a.npz", "data.path")
        assert list(got) == ["cube", "labels"]
        np.testing.assert_array_equal(got["cube"], CUBE)


def test_what_is_no_array_of_numbers_is_left_out(tmp_path):
    records = np.zeros(3, dtype=[("a", "i4"), ("b", "f8")])
    greek = np.zeros(3, dtype=[("λ", "f8")])
    objects = np.array(["corn", None], dtype=object)
    file = zipped(
        tmp_path / "a.npz",
        cube_npy=npy(CUBE),
        names_npy=npy(objects),
        records_npy=npy(records),
        readme_txt=b"about the data",
    )
    assert list(read_arrays(file, "data.path")) == ["cube"]
    assert "of Python objects (names), which are never loaded" in refusal(
        zipped(tmp_path / "b.npz", names_npy=npy(objects))
    )
    assert "a zip archive without arrays, it holds readme.txt" in refusal(zipped(tmp_path / "c.npz", readme_txt=b"x"))
    (tmp_path / "d.npy").write_bytes(npy(objects))
    assert "holds Python objects, which are never loaded" in refusal(tmp_path / "d.npy")
    with pytest.warns(UserWarning, match="format 3.0"):
        (tmp_path / "e.npy").write_bytes(npy(greek))
    assert "holds records with named fields" in refusal(tmp_path / "e.npy")


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ("(-5, 6, 4)", "the shape (-5, 6, 4), which none has"),
        ("(5, -6, -4)", "which none has"),
        ("(1000000, 1000000, 1000)", "1000000000) of uint16, more than"),
        (f"({10**30}, 3, 3)", "more than 1,000,000,000,000,000 bytes, but only 240 bytes follow"),
        ("(5, 6, 5)", "(5, 6, 5) of uint16, 300 bytes, but only 240 bytes follow: it is cut short"),
        ("(5, 6, 3)", "holds 60 bytes after its array"),
        ("(" + "1, " * 70 + "120)", "says that its array has 71 axes"),
        ("'big'", "damaged or cut short"),
        ("(5.0, 6, 4)", "damaged or cut short"),
        ("[" * 5000, "damaged or cut short"),
        ("-" * 9000 + "1", "damaged or cut short"),
        ("(" + "9" * 5000 + ",)", "damaged or cut short"),
    ],
    ids=lambda text: str(text)[:20],
)
def test_a_header_that_does_not_fit_its_file(tmp_path, shape, says):
    says = says.replace("1000000000) of", "(1000000, 1000000, 1000) of")
    file = tmp_path / "a.npy"
    file.write_bytes(npy_that_says(shape))
    assert says in refusal(file)
    assert "a.npz" in refusal(zipped(tmp_path / "a.npz", x_npy=npy_that_says(shape)))


def test_a_good_header_of_the_same_bytes_is_read(tmp_path):
    (tmp_path / "a.npy").write_bytes(npy_that_says("(5, 6, 4)", data=CUBE.tobytes()))
    np.testing.assert_array_equal(read_arrays(tmp_path / "a.npy", "data.path")[""], CUBE)


def test_an_archive_that_would_fill_the_memory(tmp_path):
    size = 300 << 20
    header = npy_that_says(f"({size},)", "|u1", b"")
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as x:
        x.write(header)
        for _ in range(size >> 20):
            x.write(bytes(1 << 20))
    tracemalloc.start()
    assert "would become 0.3 GiB out of 0.3 MiB" in refusal(tmp_path / "bomb.npz")
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


def test_what_packs_well_is_read(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", truth=np.zeros((2000, 2000), np.int64))
    assert not read_arrays(tmp_path / "a.npz", "data.path")["truth"].any()


def test_packed_as_nothing_here_unpacks(tmp_path):
    good = zipped(tmp_path / "a.npz", x_npy=npy(CUBE)).read_bytes()
    directory = good.index(b"PK\x01\x02")

    def changed(offset: int, value: int) -> Path:
        data = bytearray(good)
        for start in (0, directory + 2):
            struct.pack_into("<H", data, start + offset, value)
        (tmp_path / "b.npz").write_bytes(data)
        return tmp_path / "b.npz"

    assert "is encrypted (x.npy): save it again without a password" in refusal(changed(6, 1))
    assert "packed in a way that Python's zipfile does not know" in refusal(changed(8, 97))
    (tmp_path / "c.npz").write_bytes(good[: len(good) // 2])
    assert "damaged or cut short" in refusal(tmp_path / "c.npz")
    broken = bytearray(good)
    broken[80] ^= 255
    (tmp_path / "d.npz").write_bytes(broken)
    assert "damaged or cut short" in refusal(tmp_path / "d.npz")
    with zipfile.ZipFile(tmp_path / "e.npz", "w") as archive:
        archive.writestr("x.npy", npy(CUBE))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("x.npy", npy(CUBE + 1))
    assert "holds two arrays of one name" in refusal(tmp_path / "e.npz")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (gzip.compress(b"1,2,3\n4,5,6\n"), "it is compressed (gzip): unpack it"),
        (b"1,2,3\n4,5,6\n", "it is a text file: read it with numpy.loadtxt"),
        ("Größe;Höhe\n".encode(), "it is a text file"),
        (json.dumps({"a": 1}).encode(), "it is a text file"),
        (b"II*\x00" + bytes(50), "it is a TIFF file"),
        (b"ENVI\nsamples = 3\n", "it is the header of an ENVI file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(50), "it is an HDF5 file"),
        (bytes(512) + b"\x89HDF\r\n\x1a\n", "it is an HDF5 file"),
        (b"MATLAB 5.0 MAT-file, Platform: GLNXA64", "a name that ends in .mat"),
        (pickle.dumps(CUBE), "it is a Python pickle, which is never loaded"),
        (b"", "it is empty"),
        (bytes(range(256)), "nor of another format that is known"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)
def test_other_formats_are_called_by_their_name(tmp_path, content, says):
    for name in ("a.npy", "a.npz", "a.csv.gz"):
        (tmp_path / name).write_bytes(content)
        assert says in refusal(tmp_path / name)


def test_the_data_of_an_envi_file_is_known_by_its_header(tmp_path):
    (tmp_path / "a.img").write_bytes(bytes(range(256)))
    (tmp_path / "a.hdr").write_text("ENVI\nsamples = 4\n")
    assert "it is the data of an ENVI file (beside a.hdr)" in refusal(tmp_path / "a.img")


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    assert refusal(tmp_path / "pipe.npy").endswith("which is a named pipe (FIFO): give a .npy or .npz file.")
    assert "/dev/zero, which is a device" in refusal(Path("/dev/zero"))
    assert "which is a folder" in refusal(tmp_path)
    assert "which does not exist" in refusal(tmp_path / "missing.npy")
    assert "which does not exist" in refusal(tmp_path / "pipe.npy" / "a.npy")
    (tmp_path / "link.npy").symlink_to("nowhere")
    assert "is a link to a file that does not exist" in refusal(tmp_path / "link.npy")
    assert len(refusal(tmp_path / ("x" * 5000))) < 400
    assert "cannot be looked at" in refusal(Path("a\0b"))


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "stored.npz"])
def test_flipped_bytes_are_read_or_refused_in_a_line(tmp_path, name):
    save = {"a.npy": np.save, "a.npz": np.savez_compressed, "stored.npz": np.savez}[name]
    save(tmp_path / name, CUBE)
    good, rng, said = (tmp_path / name).read_bytes(), np.random.default_rng(1), []
    for _ in range(150):
        data = bytearray(good)
        for _ in range(rng.integers(1, 4)):
            data[rng.integers(len(data))] = rng.integers(256)
        (tmp_path / name).write_bytes(data[: rng.integers(1, len(data) + 1)] if rng.random() < 0.3 else data)
        try:
            read_arrays(tmp_path / name, "data.path")
        except InputError as error:
            said.append(str(error))
    assert len(said) > 30
    assert all("\n" not in text and len(text) < 600 for text in said)
