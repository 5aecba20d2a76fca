"""Scenes from files: a cube and its ground truth out of .mat, .npy or .npz, whatever their arrays are called."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from augment.spectral_axis import check_wavelengths
from simclr.data.numpy_file import read_arrays
from simclr.data.scenes.mat import read_mat
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import as_tensor
from simclr.errors import InputError
from simclr.recipe.data import required_path
from simclr.recipe.scenes import SceneFileData

# Names that say how many rows and columns a flattened cube has, in lower case.
_ROWS = ("nrow", "nrows", "rows", "height", "h")
_COLUMNS = ("ncol", "ncols", "cols", "width", "w")
# Names of wavelengths, in nm or micrometres, in lower case.
_WAVELENGTHS = ("wavelength", "wavelengths", "wl", "wvl", "lambda", "lambdas", "bands_nm")


def open_scene_file(data: SceneFileData, part: str) -> SceneSource | None:
    """The scene that the recipe's files hold; they have no test part."""
    if part == "test":
        return None
    return load_scene(
        required_path(data, data.path, "the file that holds the cube"),
        cube_key=data.cube_key,
        ground_truth=data.ground_truth,
        ground_truth_key=data.ground_truth_key,
        class_names=data.class_names,
        patch_size=data.patch_size,
        name=data.name,
    )


def load_scene(
    path: str | os.PathLike[str],
    *,
    cube_key: str | None = None,
    ground_truth: str | os.PathLike[str] | None = None,
    ground_truth_key: str | None = None,
    class_names: Sequence[str] = (),
    patch_size: int = 9,
    name: str | None = None,
) -> SceneSource:
    """A scene from a file.

    The cube is the only 3-D numeric array of the file, (height, width, bands), or else a flattened one, bands x pixels
    in column order, whose height and width the file gives as nRow and nCol. An array called wavelengths (or wl, lambda,
    …) with a value a band gives those.

    Args:
        path: .mat (v5 to v7.3), .npy or .npz.
        cube_key: name of the cube's array, where several fit.
        ground_truth: file with the class numbers (height, width), 0 = unlabelled; None = no labels, unless
            ``ground_truth_key`` names an array of the cube's own file.
        ground_truth_key: name of its array, where several fit.
        class_names: names of the class numbers that occur, ascending.
        patch_size: see :class:`SceneSource`.
        name: what it is called in logs; the path when None.

    Raises:
        InputError: if no array or more than one could be the cube or the ground truth, or they do not fit together.
    """
    file = Path(path).expanduser()
    content = _read(file, "data.path")
    cube, value_max = as_tensor(_cube(content, cube_key, file), f"the cube in {file}")
    cube = cube.permute(2, 0, 1)
    classes: Tensor | None = None
    if ground_truth is not None or ground_truth_key is not None:
        truth_file = file if ground_truth is None else Path(ground_truth).expanduser()
        truth_content = content if ground_truth is None else _read(truth_file, "data.ground_truth")
        classes = _ground_truth(truth_content, ground_truth_key, truth_file)
    return SceneSource(
        cube,
        classes,
        patch_size=patch_size,
        name=name or str(path),
        class_names=class_names,
        value_max=value_max,
        wavelengths=_wavelengths(content, cube.shape[0]),
    )


def _wavelengths(content: dict[str, np.ndarray], bands: int) -> tuple[float, ...] | None:
    """Wavelengths in nm that the file holds under a common name, one for each band; None if there are none."""
    for name, values in content.items():
        if name.lower() in _WAVELENGTHS and values.size == bands:
            values = values.ravel().astype(np.float64)
            try:
                return check_wavelengths((values * (1000 if values.max() < 100 else 1)).tolist())
            except ValueError:
                return None
    return None


def _read(file: Path, key: str) -> dict[str, np.ndarray]:
    if file.suffix.lower() != ".mat":
        return read_arrays(file, key)
    if not file.is_file():
        raise InputError(f"{key} is {file}, which does not exist: give a .mat, .npy or .npz file.")
    return read_mat(file)


def _cube(content: dict[str, np.ndarray], key: str | None, file: Path) -> np.ndarray:
    """The cube (height, width, bands)."""
    if key is not None:
        if key not in content:
            raise InputError(f"data.cube_key is {key!r}, but {file} holds {_list(content)}: name one of them.")
        if content[key].ndim == 3:
            return content[key]
        flat = _unflatten(content[key], content)
        if flat is None:
            raise InputError(
                f"{key} in {file} has shape {content[key].shape}: a cube is (height, width, bands), or bands x pixels "
                f"with nRow and nCol in the same file."
            )
        return flat
    cubes = {k: v for k, v in content.items() if v.ndim == 3}
    if not cubes:
        cubes = {k: flat for k, v in content.items() if (flat := _unflatten(v, content)) is not None}
    if len(cubes) == 1:
        return next(iter(cubes.values()))
    if not cubes:
        raise InputError(
            f"{file} holds no cube, only {_list(content)}: a cube is a numeric array (height, width, bands), or "
            f"bands x pixels with nRow and nCol in the same file."
        )
    raise InputError(f"{file} holds {len(cubes)} arrays that may be the cube, {_list(cubes)}: set data.cube_key.")


def _unflatten(array: np.ndarray, content: dict[str, np.ndarray]) -> np.ndarray | None:
    """(bands, pixels) in column order as (height, width, bands), or None if the file's size does not fit it."""
    height, width = _number(content, _ROWS), _number(content, _COLUMNS)
    if array.ndim != 2 or height is None or width is None or array.shape[1] != height * width or height * width == 1:
        return None
    return array.T.reshape(height, width, len(array), order="F")


def _number(content: dict[str, np.ndarray], names: Sequence[str]) -> int | None:
    for key, value in content.items():
        if key.lower() in names and value.size == 1:
            return int(value.item())
    return None


def _ground_truth(content: dict[str, np.ndarray], key: str | None, file: Path) -> Tensor:
    """Class numbers (height, width) int64."""
    if key is not None and "" not in content:
        if key not in content:
            raise InputError(f"data.ground_truth_key is {key!r}, but {file} holds {_list(content)}: name one of them.")
        maps = {key: content[key]}
    else:
        maps = {k: v for k, v in content.items() if v.ndim == 2 and min(v.shape) > 1}
    if len(maps) != 1:
        many = f"{len(maps)} arrays that may be the ground truth" if maps else "no ground truth"
        advice = "set data.ground_truth_key" if maps else "it is an array of class numbers (height, width)"
        raise InputError(f"{file} holds {many}, {_list(maps or content)}: {advice}.")
    name, array = next(iter(maps.items()))
    if array.ndim != 2 or array.dtype.kind not in "uifb" or not bool(np.all(np.mod(array, 1) == 0)):
        raise InputError(
            f"{name or 'the array'} in {file} is {array.dtype} of shape {array.shape}: a ground truth is whole class "
            f"numbers (height, width), 0 = unlabelled."
        )
    return torch.from_numpy(array.astype(np.int64))


def _list(content: dict[str, np.ndarray]) -> str:
    """Names, types and shapes for a message, without the scalars."""
    arrays = {k: v for k, v in content.items() if v.size > 1} or content
    return ", ".join(f"{k or 'array'} {v.dtype} {'x'.join(map(str, v.shape))}" for k, v in arrays.items()) or "nothing"
