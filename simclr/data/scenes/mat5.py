"""MATLAB files up to v7 (MAT-files of level 4 and 5), read so that no byte of a damaged or hostile one does harm.

SciPy's compiled reader believes what a file says of itself, and ends the interpreter where that is wrong. Here every
size is held against the bytes that are there.

Source: The MathWorks, "MAT-File Format" (matfile_format.pdf), chapters 1 and 2.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

# Data types of level 5 that hold numbers.
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_MATRIX, _COMPRESSED = 14, 15
# Classes of arrays: structures, and those that hold numbers (logical ones are of class uint8).
_STRUCTURE = 2
_NUMERIC = range(6, 16)
_COMPLEX = 0x08
_DEEPEST = 16
# Precisions of level 4.
_LEVEL_4 = ("f8", "f4", "i4", "i2", "u2", "u1")
# More than this, and from so much less, is a file that was made to fill the memory.
LARGEST, FOLD = 1 << 30, 100


class BrokenError(Exception):
    """What is wrong with the file, in words."""


def read_mat5(file: Path) -> dict[str, np.ndarray]:
    """The real numeric arrays by name, as they are stored; those in structures by a dotted path.

    Cells, texts, objects, sparse and complex arrays, and arrays of structures are left out.

    Raises:
        BrokenError: the file is damaged, or cut short.
        OSError: it cannot be read.
    """
    size = file.stat().st_size
    with open(file, "rb") as stream:
        head = stream.read(128)
        if 0 in head[:4]:  # level 5 begins with text
            stream.seek(0)
            return dict(_level_4(stream, size))
        if len(head) < 128 or head[126:128] not in (b"IM", b"MI"):
            raise BrokenError("it does not begin as one")
        order = "<" if head[126:128] == b"IM" else ">"
        found: dict[str, np.ndarray] = {}
        while stream.tell() < size:
            kind, length = struct.unpack(f"{order}II", _take(stream, 8, size))
            content = memoryview(_take(stream, length, size))
            if kind == _COMPRESSED:
                kind, content, _ = _element(_inflated(content, order), 0, order)
            if kind != _MATRIX:
                raise BrokenError(f"there is something of type {kind} where an array should begin")
            name, arrays = _matrix(content, order, 0)
            if name:  # without one it is what MATLAB keeps for itself
                found.update({".".join((name, *path)): array for path, array in arrays})
        return found


def _take(stream: BinaryIO, length: int, size: int) -> bytes:
    if length > size - stream.tell():
        raise BrokenError("it is cut short, or says so")
    return stream.read(length)


def _inflated(packed: memoryview, order: str) -> memoryview:
    """What a compressed element holds: one element, which says how long it is."""
    try:
        unpack = zlib.decompressobj()
        tag = unpack.decompress(packed, 8)
        if len(tag) < 8:
            raise BrokenError("it is cut short")
        length = struct.unpack(f"{order}II", tag)[1]
        if length > LARGEST and length > FOLD * len(packed):
            raise BrokenError(f"{len(packed):,} bytes say that they are {length:,}")
        rest = unpack.decompress(unpack.unconsumed_tail, length)
        # To the end, where the checksum stands.
        if unpack.decompress(unpack.unconsumed_tail, 8) or not unpack.eof:
            raise BrokenError("a compressed part holds more than it says")
    except zlib.error as error:
        raise BrokenError(f"a compressed part is damaged: {error}") from None
    return memoryview(tag + rest)


def _element(data: memoryview, at: int, order: str) -> tuple[int, memoryview, int]:
    """Type and content of the element that begins at a byte, and where the next one begins."""
    if at + 8 > len(data):
        raise BrokenError("it is cut short")
    kind, length = struct.unpack_from(f"{order}II", data, at)
    first = at + 8
    if kind >> 16:  # up to four bytes stand in the tag itself
        kind, length, first = kind & 0xFFFF, kind >> 16, at + 4
        if length > 4:
            raise BrokenError(f"a small element says that it has {length} bytes")
    if first + length > len(data):
        raise BrokenError("it is cut short")
    return kind, data[first : first + length], at + 8 + (0 if first == at + 4 else -(-length // 8) * 8)


def _matrix(data: memoryview, order: str, depth: int) -> tuple[str, list[tuple[tuple[str, ...], np.ndarray]]]:
    """Name of an array, and the numeric arrays in it by their path: itself, or those of a structure's fields."""
    if not len(data):  # an empty array
        return "", []
    if depth > _DEEPEST:
        raise BrokenError(f"structures lie more than {_DEEPEST} deep in each other")
    _, flags, at = _element(data, 0, order)
    if len(flags) < 4:
        raise BrokenError("an array does not say what it is")
    described = struct.unpack_from(f"{order}I", flags)[0]
    kind = described & 0xFF
    if kind != _STRUCTURE and kind not in _NUMERIC:  # whose parts may be others
        return "", []
    _, sizes, at = _element(data, at, order)
    _, letters, at = _element(data, at, order)
    if len(sizes) % 4:
        raise BrokenError("an array does not say what it is")
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
    if any(n < 0 for n in shape):
        raise BrokenError(f"an array says that its shape is {shape}")
    name = bytes(letters).rstrip(b"\0").decode("utf-8", "replace")
    if kind == _STRUCTURE:
        return name, list(_fields(data, at, order, depth)) if math.prod(shape) == 1 else []
    if described >> 8 & _COMPLEX:
        return name, []
    stored, numbers, _ = _element(data, at, order)
    if stored not in _NUMBERS:
        raise BrokenError(f"the numbers of {name or 'an array'} are of type {stored}")
    dtype = np.dtype(order + _NUMBERS[stored])
    if len(numbers) != math.prod(shape) * dtype.itemsize:
        raise BrokenError(f"{name or 'an array'} says that its shape is {shape}, but has {len(numbers):,} bytes")
    return name, [((), np.frombuffer(numbers, dtype).reshape(shape, order="F"))]


def _fields(data: memoryview, at: int, order: str, depth: int) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    """The numeric arrays in the fields of a single structure."""
    _, width, at = _element(data, at, order)
    _, letters, at = _element(data, at, order)
    length = struct.unpack_from(f"{order}i", width)[0] if len(width) >= 4 else 0
    if length < 1 or len(letters) % length:
        raise BrokenError("a structure does not name its fields")
    for i in range(0, len(letters), length):
        field = bytes(letters[i : i + length]).partition(b"\0")[0].decode("utf-8", "replace")
        kind, content, at = _element(data, at, order)
        if kind != _MATRIX:
            raise BrokenError(f"the field {field} is no array")
        for path, array in _matrix(content, order, depth + 1)[1]:
            yield (field, *path), array


def _level_4(stream: BinaryIO, size: int) -> Iterator[tuple[str, np.ndarray]]:
    """The real numeric matrices of a file of level 4, which knows nothing else but texts and sparse ones."""
    while stream.tell() < size:
        head = _take(stream, 20, size)
        order = "<" if struct.unpack("<i", head[:4])[0] in range(5000) else ">"
        kind, rows, columns, imaginary, length = struct.unpack(f"{order}5i", head)
        thousands, hundreds, precision, form = kind // 1000, kind // 100 % 10, kind // 10 % 10, kind % 10
        if thousands != (order == ">") or hundreds or precision >= len(_LEVEL_4) or min(rows, columns, length) < 0:
            raise BrokenError("it does not begin as one")
        name = _take(stream, length, size).rstrip(b"\0").decode("latin-1")
        dtype = np.dtype(order + _LEVEL_4[precision])
        numbers = _take(stream, rows * columns * dtype.itemsize * (2 if imaginary else 1), size)
        if form == 0 and not imaginary:
            yield name, np.frombuffer(numbers, dtype).reshape((rows, columns), order="F")
