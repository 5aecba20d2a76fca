"""The cube among a file's arrays, and which of its axes are rows, columns and bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from simclr.data.numpy_file import check_key
from simclr.errors import InputError

LAYOUTS = ("auto", "HWC", "CHW", "HCW")
Order = Literal["F", "C"]
ORDERS: dict[Order, str] = {"F": "column", "C": "row"}

# Names that say how many rows and columns a flattened cube has, in lower case; in a struct, the last part counts.
_ROWS = ("nrow", "nrows", "rows", "height", "h")
_COLUMNS = ("ncol", "ncols", "cols", "width", "w")
_PLAIN = "a cube is (height, width, bands), or bands x pixels with nRow and nCol in the same file"
# Axes of fewer bands say little about themselves; at most so many positions of an axis are looked at.
_FEWEST, _MOST = 12, 96


class Cube(NamedTuple):
    """A cube as a file holds it.

    Attributes:
        name: of its array; empty in a .npy.
        stored: the array itself.
        values: (height, width, bands) of a flattened one, else the same.
        order: of the pixels of a flattened one, "F" (column by column) or "C" (row by row); None otherwise.
    """

    name: str
    stored: np.ndarray
    values: np.ndarray
    order: Order | None = None


def find_cube(content: Mapping[str, np.ndarray], key: str | None, file: Path) -> Cube:
    """The array named ``key``, or the only one that can be a cube.

    Raises:
        InputError: there is none, or several.
    """
    check_key(key, content, file, "data.cube_key")
    if key is not None:
        if key not in content:
            raise InputError(f"data.cube_key is {key!r}, but {file} holds {listed(content)}: name one of them.")
        found = _cube(key, content)
        if found is None:
            raise InputError(f"{key} in {file} is {listed({key: content[key]})}: {_PLAIN}.")
        return found
    every = [found for name in content if (found := _cube(name, content)) is not None]
    cubes = [found for found in every if found.order is None] or every
    cubes = [found for found in cubes if min(found.values.shape) > 1] or cubes
    if len(cubes) == 1:
        return cubes[0]
    if not content:
        raise InputError(f"{file} holds no numeric array outside of cells and arrays of structs: {_PLAIN}.")
    if not cubes:
        raise InputError(f"{file} holds no cube, only {listed(content)}: {_PLAIN}.")
    several = listed({cube.name: content[cube.name] for cube in cubes})
    raise InputError(f"{file} holds {len(cubes)} arrays that may be the cube, {several}: set data.cube_key.")


def _cube(name: str, content: Mapping[str, np.ndarray]) -> Cube | None:
    """An array as a cube, unflattened by the size that the file gives; None where it is none."""
    array = content[name]
    values = array.squeeze() if array.ndim > 3 else array
    if array.dtype.kind not in "uifb" or not array.size:
        return None
    if values.ndim == 3:
        return Cube(name, array, values)
    height, width = _number(content, _ROWS), _number(content, _COLUMNS)
    if array.ndim != 2 or height is None or width is None or height * width <= 1 or height * width not in array.shape:
        return None
    spectra = array.T if array.shape[1] == height * width else array
    order = order_of(spectra, height, width)
    return Cube(name, array, spectra.reshape((height, width, -1), order=order), order)


def order_of(spectra: np.ndarray, height: int, width: int) -> Order:
    """Whether pixels (n, bands) follow each other by columns ("F", as in MATLAB) or by rows ("C").

    Pixels beside each other are alike: across the columns they lie ``height`` apart in the one order, ``width`` in the
    other. Where that does not tell, as in a square (whose picture is then mirrored at most), it is columns.
    """
    if height == width or min(height, width) < 3:
        return "F"
    some = spectra[:, :: max(1, spectra.shape[1] // 16)].astype(np.float64)
    by_column, by_row = (float(np.square(some[lag:] - some[:-lag]).mean()) for lag in (height, width))
    return "C" if by_row < 0.5 * by_column else "F"


def with_bands_last(
    cube: np.ndarray, layout: str, file: Path, bands: int | None = None, pixels: tuple[int, ...] | None = None
) -> np.ndarray:
    """A view (height, width, bands) of a cube.

    With ``layout`` auto the last axis is that of the bands, unless only another one fits what is known.

    Args:
        cube: three axes.
        layout: of ``LAYOUTS``.
        file: for the error.
        bands: number of wavelengths that the file gives, if any.
        pixels: shape of the ground truth, if any.

    Raises:
        InputError: nothing is known, and the numbers say that the last axis is not that of the bands.
    """
    if layout not in LAYOUTS:
        raise InputError(f"data.layout is {layout!r}: choose one of {', '.join(LAYOUTS)}.")
    if layout == "auto":
        fitting = [axis for axis in (2, 0, 1) if _fits(cube.shape, axis, bands, pixels)]
        if (bands is None and pixels is None) or len(fitting) > 1:
            _check_last(cube, file)
        layout = ("CHW", "HCW", "HWC")[fitting[0]] if len(fitting) == 1 else "HWC"
    return cube.transpose([layout.index(axis) for axis in "HWC"])


def _fits(shape: Sequence[int], axis: int, bands: int | None, pixels: tuple[int, ...] | None) -> bool:
    rest = tuple(n for i, n in enumerate(shape) if i != axis)
    if bands is not None and shape[axis] != bands:
        return False
    return pixels is None or pixels == rest or (1 in (len(pixels), *pixels[:2]) and np.prod(pixels) == np.prod(rest))


def _check_last(cube: np.ndarray, file: Path) -> None:
    """Raises InputError where another axis than the last looks like that of the bands."""
    left = [_left_over(cube, axis) for axis in range(3)]
    for axis, layout in ((0, "CHW"), (1, "HCW")):
        if cube.shape[axis] >= _FEWEST and left[axis] < 0.3 and 3 * left[axis] < min(left[:axis] + left[axis + 1 :]):
            shape = "x".join(map(str, cube.shape))
            raise InputError(
                f"the cube in {file} is {shape}, and its {('first', 'second')[axis]} axis looks like that of the "
                f"bands: set data.layout={layout}, or data.layout=HWC if the last one is."
            )


def _left_over(cube: np.ndarray, axis: int) -> float:
    """The share of the variance along an axis that its three first principal components leave over.

    A few materials explain the bands of a scene (1 to 15 % are left over), but neither its rows nor its columns (two to
    thirty times as much).
    """
    some = cube[tuple(slice(None, None, -(-n // _MOST)) for n in cube.shape)]
    along = np.moveaxis(some, axis, 0).reshape(some.shape[axis], -1).astype(np.float64)
    if not np.isfinite(along).all():  # which is named elsewhere
        return 1.0
    along = along - along.mean(0)
    along -= along.mean(1, keepdims=True)
    values = np.linalg.eigvalsh(along @ along.T).clip(0)
    total = float(values.sum())
    return float(values[:-3].sum()) / total if total > 0 else 1.0


def _number(content: Mapping[str, np.ndarray], names: Sequence[str]) -> int | None:
    for key, value in content.items():
        named = key.lower().rpartition(".")[2] in names and value.size == 1 and value.dtype.kind in "uif"
        if named and bool(np.isfinite(value).all()):
            return int(value.item())
    return None


def listed(content: Mapping[str, np.ndarray]) -> str:
    """Names, types and shapes for a message, without the scalars."""
    arrays = {k: v for k, v in content.items() if v.size > 1} or content
    return ", ".join(f"{k or 'array'} {v.dtype} {'x'.join(map(str, v.shape))}" for k, v in arrays.items()) or "nothing"
