"""What a file is: regular or not, and of which format, by its first bytes and not by its name."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from simclr.errors import InputError

_HEAD = 1024
_UNPACK = "unpack it, and give the file that was in it"
_SAVE = "read it with a program that knows the format, and save the array with numpy.save"


class FileKind(NamedTuple):
    """A format, in words that follow "is", and what to do with a file of it where arrays are wanted."""

    name: str
    advice: str


# (where, first bytes, what it is)
_MAGIC = (
    (0, b"\x93NUMPY", FileKind("a .npy file", "give it as it is")),
    (0, b"PK\x03\x04", FileKind("a zip archive", _UNPACK)),
    (0, b"PK\x05\x06", FileKind("an empty zip archive", "save it again")),
    (0, b"\x1f\x8b", FileKind("compressed (gzip)", _UNPACK)),
    (0, b"BZh", FileKind("compressed (bzip2)", _UNPACK)),
    (0, b"\xfd7zXZ\x00", FileKind("compressed (xz)", _UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", FileKind("compressed (zstd)", _UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", FileKind("a 7-Zip archive", _UNPACK)),
    (0, b"Rar!", FileKind("a RAR archive", _UNPACK)),
    (257, b"ustar", FileKind("a tar archive", _UNPACK)),
    (0, b"MATLAB 5.0", FileKind("a MATLAB file", "give it a name that ends in .mat")),
    (0, b"MATLAB 7.3", FileKind("a MATLAB v7.3 file", "give it a name that ends in .mat")),
    (0, b"\x89HDF\r\n\x1a\n", FileKind("an HDF5 file", _SAVE)),
    (512, b"\x89HDF\r\n\x1a\n", FileKind("an HDF5 file", _SAVE)),
    (0, b"CDF\x01", FileKind("a netCDF file", _SAVE)),
    (0, b"CDF\x02", FileKind("a netCDF file", _SAVE)),
    (0, b"CDF\x05", FileKind("a netCDF file", _SAVE)),
    (0, b"\x0e\x03\x13\x01", FileKind("an HDF4 file", _SAVE)),
    (0, b"CDF\x05", FileKind("a netCDF file", _SAVE)),
    (0, b"\x0e\x03\x13\x01", FileKind("an HDF4 file", _SAVE)),
    (0, b"ENVI", FileKind("the header of an ENVI file", _SAVE)),
    (0, b"II*\x00", FileKind("a TIFF file", _SAVE)),
    (0, b"MM\x00*", FileKind("a TIFF file", _SAVE)),
    (0, b"II+\x00", FileKind("a BigTIFF file", _SAVE)),
    (0, b"MM\x00+", FileKind("a BigTIFF file", _SAVE)),
    (0, b"SIMPLE  =", FileKind("a FITS file", _SAVE)),
    (0, b"\x89PNG\r\n\x1a\n", FileKind("a PNG picture", _SAVE)),
    (0, b"\xff\xd8\xff", FileKind("a JPEG picture", _SAVE)),
    (0, b"GIF8", FileKind("a GIF picture", _SAVE)),
    (0, b"%PDF", FileKind("a PDF document", "give a file of arrays")),
    (0, b"PAR1", FileKind("a Parquet file", _SAVE)),
    (0, b"ARROW1", FileKind("an Arrow file", _SAVE)),
)
_PICKLE = FileKind(
    "a Python pickle, which is never loaded as it could run code",
    "where it was made, save the array alone with numpy.save",
)
_TEXT = FileKind("a text file", "read it with numpy.loadtxt, and save the array with numpy.save")


def kind_of(file: Path) -> FileKind | None:
    """The format of a file by its first bytes; None for one that is not known, such as bare numbers.

    Raises:
        OSError: if it cannot be read.
    """
    with open(file, "rb") as stream:
        head = stream.read(_HEAD)
    if not head:
        return FileKind("empty", "save it again")
    for start, magic, kind in _MAGIC:
        if head[start:].startswith(magic):
            return kind
    if head[0] == 0x80 and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return _PICKLE
    header = next((h for h in (file.with_suffix(".hdr"), Path(f"{file}.hdr")) if h != file and h.is_file()), None)
    if header is not None:
        with open(header, "rb") as stream:
            if stream.read(4) == b"ENVI":
                return FileKind(f"the data of an ENVI file (beside {header.name})", _SAVE)
    return _TEXT if _is_text(head) else None


def check_regular(file: Path, key: str, wanted: str) -> None:
    """Makes sure that reading a file ends: a named pipe, a device or a folder is none that can be read to its end.

    Args:
        file: the file.
        key: what named it, for the error: a key of the recipe, an option.
        wanted: what should be given: "a .npy or .npz file".

    Raises:
        InputError: if it is missing, not a regular file, or may not be looked at.
    """
    found = _look(file)
    if found != "is a file":
        raise InputError(f"{key} is {_short(file)}, which {found}: give {wanted}.")


def check_folder(folder: Path, key: str, wanted: str) -> None:
    """Makes sure that there is a folder.

    Args:
        folder, key, wanted: as for :func:`check_regular`.

    Raises:
        InputError: if it is missing, something else, or may not be looked at.
    """
    found = _look(folder)
    if found != "is a folder":
        raise InputError(f"{key} is {_short(folder)}, which {found}: give {wanted}.")


def _look(path: Path) -> str:
    """What lies at a path, in words that follow "which"."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "is a link to a file that does not exist" if path.is_symlink() else "does not exist"
    except (OSError, ValueError) as error:
        return f"cannot be looked at ({getattr(error, 'strerror', None) or 'it is no path'})"
    if stat.S_ISREG(mode):
        return "is a file"
    return "is a folder" if stat.S_ISDIR(mode) else f"is {special(mode)}"


def special(mode: int) -> str:
    """What a file that is neither regular nor a folder is, by its ``st_mode``."""
    for test, name in (
        (stat.S_ISFIFO, "a named pipe (FIFO)"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if test(mode):
            return name
    return "no regular file"


def printable(name: str) -> str:
    """A name as text that every file and terminal takes: bytes that are not UTF-8 are written as ``\\xe9``."""
    try:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a character, which no file has in its name
        return name.encode("utf-8", "backslashreplace").decode()


def _short(file: Path) -> str:
    text = printable(str(file))
    return text if len(text) <= 300 else f"{text[:100]}... ({len(text)} characters)"


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # else a character is cut by the end of what was read
            return False
        text = head[: error.start].decode("utf-8")
    return all(c.isprintable() or c in "\t\r\n\f" for c in text.removeprefix("\ufeff"))
