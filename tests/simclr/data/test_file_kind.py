"""What files are, by their first bytes, and names that can be written anywhere."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simclr.data.file_kind import check_folder, check_regular, kind_of, printable
from simclr.errors import InputError


def test_kinds_as_other_programs_write_them(tmp_path):
    file = tmp_path / "a"
    for suffix, name in ((".png", "a PNG picture"), (".jpg", "a JPEG picture"), (".tif", "a TIFF file")):
        Image.new("L", (4, 4)).save(file.with_suffix(suffix))
        assert kind_of(file.with_suffix(suffix)).name == name
    np.save(tmp_path / "a.npy", np.zeros(3))
    assert kind_of(tmp_path / "a.npy").name == "a .npy file"
    with zipfile.ZipFile(file, "w") as archive:
        assert archive.namelist() == []
    assert kind_of(file).name == "an empty zip archive"
    file.write_text("é" * 3000, encoding="utf-8")  # a character lies across the end of what is read
    assert kind_of(file).name == "a text file"
    file.write_bytes(b"x" + "é".encode() * 3000)
    assert kind_of(file).name == "a text file"
    file.write_text("é" * 30, encoding="latin-1")
    assert kind_of(file) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [("frog", "frog"), ("größe", "größe"), (os.fsdecode(b"caf\xe9"), "caf\\xe9"), ("\ud800", "\\ud800")],
)
def test_names_as_text(name, text):
    assert printable(name) == text
    assert printable(name).encode()


def test_a_file_is_no_folder_and_a_folder_no_file(tmp_path):
    (tmp_path / "a").touch()
    check_regular(tmp_path / "a", "data.path", "a file")
    check_folder(tmp_path, "data.path", "a folder")
    with pytest.raises(InputError, match=r"data.path is .*, which is a folder: give a file\."):
        check_regular(tmp_path, "data.path", "a file")
    with pytest.raises(InputError, match="which is a file: give a folder"):
        check_folder(tmp_path / "a", "data.path", "a folder")
    with pytest.raises(InputError, match="which does not exist"):
        check_folder(tmp_path / "b", "data.path", "a folder")
    with pytest.raises(InputError, match="is a device"):
        check_regular(Path(os.devnull), "data.path", "a file")
