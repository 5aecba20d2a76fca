""".npy and .npz files, read so that what a file says of itself is checked before anything is allocated or run."""

from __future__ import annotations

import errno
import math
from collections.abc import Mapping
from pathlib import Path
from typing import IO
from zipfile import ZipFile, ZipInfo

import numpy as np

from simclr.data.file_kind import check_regular, kind_of
from simclr.errors import InputError

_WANTED = "a .npy or .npz file"
_MAGIC = b"\x93NUMPY"
# No measured data packs so well: an archive that would is damaged, or made to fill the memory.
_MOST_PACKED = 200
_ALWAYS_UNPACKED = 256 << 20


class _RefusedError(Exception):
    """Why a file cannot be read, and what to do; the text lacks the file's name."""


def read_arrays(file: Path, key: str) -> dict[str, np.ndarray]:
    """The arrays of a .npy (memory-mapped, under the name "") or .npz file; never unpickles.

    What else an .npz holds (texts, arrays of Python objects, records) is left out.

    Args:
        file: the file.
        key: the recipe key or the option that named it, for the error.

    Raises:
        InputError: if it is missing, no regular file, of another format, damaged, larger in memory than its size lets
            expect, or holds nothing but Python objects.
    """
    check_regular(file, key, _WANTED)
    try:
        with open(file, "rb") as stream:
            head = stream.read(4)
            stream.seek(0)
            if head == _MAGIC[:4]:
                return {"": _map(stream, file)}
            if head == b"PK\x03\x04":
                return _unpack(file)
    except _RefusedError as error:
        raise InputError(f"{file} {error}.") from None
    except MemoryError:
        raise InputError(
            f"{file} does not fit into the memory: give a .npy file, of which only what is needed is read."
        ) from None
    except Exception as error:  # zipfile and NumPy raise a dozen kinds for a broken file
        if isinstance(error, OSError) and error.errno not in (
            None,
            errno.EINVAL,
        ):  # which a place before the start gives
            raise InputError(f"{file} cannot be read ({error.strerror}).") from error
        raise InputError(
            f"{file} cannot be read as .npy or .npz, it is damaged or cut short ({one_line(error)}): copy it again, or "
            f"save it again with numpy.save or numpy.savez."
        ) from error
    raise InputError(_other_format(file))


def check_key(key: str | None, arrays: Mapping[str, np.ndarray], file: Path, option: str) -> None:
    """Raises InputError where an array is asked for by its name in a .npy, whose only one has none.

    Args:
        key: the name, None where none is asked for.
        arrays: of the file, as of :func:`read_arrays`.
        file: for the error.
        option: the recipe key that says so.
    """
    if key is not None and "" in arrays:
        raise InputError(
            f"{option} is {key!r}, but {file} is a .npy file, whose one array has no name: leave it out ({option}=null)"
        )


def one_line(error: BaseException) -> str:
    """An exception's text without line breaks, at most 200 characters of it."""
    return (" ".join(str(error).split()) or type(error).__name__)[:200]


def _other_format(file: Path) -> str:
    kind = kind_of(file)
    if kind is None:
        return f"{file} is no .npy or .npz file, nor of another format that is known: save it with numpy.save."
    return f"{file} is no .npy or .npz file, it is {kind.name}: {kind.advice}."


def _map(stream: IO[bytes], file: Path) -> np.ndarray:
    """The array of a .npy file, memory-mapped."""
    shape, dtype = _header(stream)
    if dtype.hasobject:
        raise _RefusedError(
            "holds Python objects, which are never loaded as that could run code: where it was made, make one array of "
            "numbers of them (numpy.stack), and save that"
        )
    held = file.stat().st_size - stream.tell()
    _check_size(shape, dtype, held)
    return np.load(file, mmap_mode="r", allow_pickle=False) if math.prod(shape) else np.empty(shape, dtype)


def _unpack(file: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, in memory."""
    with ZipFile(file) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist() if not info.is_dir()}
        if len(members) < sum(not info.is_dir() for info in archive.infolist()):
            raise _RefusedError("holds two arrays of one name: save it again with numpy.savez")
        wanted, objects = {}, []
        for name, info in members.items():
            dtype = _look(archive, info)
            if dtype is not None and dtype.hasobject:
                objects.append(name)
            elif dtype is not None and dtype.names is None:
                wanted[name] = info
        if not wanted:
            held = ", ".join(list(members)[:5]) or "nothing"
            if objects:
                raise _RefusedError(
                    f"holds no arrays but of Python objects ({', '.join(objects[:5])}), which are never loaded as that "
                    f"could run code: where it was made, save arrays of numbers with numpy.savez"
                )
            raise _RefusedError(f"is a zip archive without arrays, it holds {held}: give a file of numpy.savez")
        size, packed = sum(info.file_size for info in wanted.values()), file.stat().st_size
        if size > _ALWAYS_UNPACKED and size > _MOST_PACKED * packed:
            raise _RefusedError(
                f"would become {size / 2**30:.1f} GiB out of {packed / 2**20:.1f} MiB, which no measured data does: "
                f"if it is right, save it uncompressed with numpy.save"
            )
        return {name: _read(archive, info) for name, info in wanted.items()}


def _look(archive: ZipFile, info: ZipInfo) -> np.dtype | None:
    """dtype of the array that a member of an .npz is; None if it is something else. Its shape must fit its size."""
    if info.flag_bits & 1:
        raise _RefusedError(f"is encrypted ({info.filename}): save it again without a password")
    try:
        with archive.open(info) as stream:
            if stream.read(len(_MAGIC)) != _MAGIC:
                return None
        with archive.open(info) as stream:
            shape, dtype = _header(stream)
            if not dtype.hasobject:
                _check_size(shape, dtype, info.file_size - stream.tell())
    except NotImplementedError as error:
        raise _RefusedError(
            f"is packed in a way that Python's zipfile does not know ({one_line(error)}): save it again with "
            f"numpy.savez_compressed"
        ) from error
    return dtype


def _read(archive: ZipFile, info: ZipInfo) -> np.ndarray:
    with archive.open(info) as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False)
        stream.read(1)  # reaching the end is what checks the sum
    return array


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of the array that follows, at which the stream then stands."""
    version = np.lib.format.read_magic(stream)
    if version == (3, 0):
        raise _RefusedError("holds records with named fields: save one array of numbers with numpy.save")
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise _RefusedError(
            f"is of version {version[0]}.{version[1]} of the .npy format, which is not known: save it again"
        )
    try:
        shape, _, dtype = read(stream)
    except (MemoryError, RecursionError):  # Python's parser, on brackets within brackets
        raise _RefusedError("has a header that nests too deeply: it is damaged or cut short, save it again") from None
    return shape, dtype


def _check_size(shape: tuple[int, ...], dtype: np.dtype, held: int) -> None:
    """Raises unless an array of this shape takes just as many bytes as there are."""
    text = str(shape) if len(str(shape)) <= 100 else f"{len(shape)} axes"
    if any(side < 0 for side in shape):
        raise _RefusedError(f"says that its array has the shape {text}, which none has: it is damaged, save it again")
    if len(shape) > 32:
        raise _RefusedError(f"says that its array has {len(shape)} axes: it is damaged, save it again")
    needed = math.prod(shape) * dtype.itemsize
    if needed > held:
        raise _RefusedError(
            f"says that its array is {text} of {dtype}, {_bytes(needed)}, but only {_bytes(held)} follow: it is cut "
            f"short or damaged, copy or save it again"
        )
    if needed < held:
        raise _RefusedError(
            f"holds {_bytes(held - needed)} after its array, {text} of {dtype}: save one array a file, or several "
            f"with numpy.savez"
        )


def _bytes(count: int) -> str:
    return f"{count:,} bytes" if count < 10**15 else f"more than {10**15:,} bytes"
