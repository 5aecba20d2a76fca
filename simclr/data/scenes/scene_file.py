"""Scenes from files: a cube and its ground truth out of .mat, .npy or .npz, whatever their arrays are called."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from simclr.augment.spectral_axis import check_wavelengths
from simclr.data.class_numbers import Unlabelled, class_numbers
from simclr.data.scenes.array_file import read_array_file
from simclr.data.scenes.cube import find_cube, with_bands_last
from simclr.data.scenes.ground_truth import as_map, coherence_note, find_ground_truth
from simclr.data.scenes.no_data import measured
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import as_tensor
from simclr.errors import InputError
from simclr.recipe.data import required_path
from simclr.recipe.scenes import SceneFileData

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
        layout=data.layout,
        unlabelled=data.unlabelled,
        no_data=data.no_data,
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
    layout: str = "auto",
    unlabelled: Unlabelled = None,
    no_data: float | None = None,
) -> SceneSource:
    """A scene from a file.

    The cube is the only 3-D numeric array of the file, (height, width, bands), or else a flattened one, bands x pixels,
    whose height and width the file gives as nRow and nCol. Its pixels are taken to follow each other by columns, as
    MATLAB's do, unless their likeness plainly says by rows. An array called wavelengths (or wl, lambda, …) with a value
    a band gives those. Arrays in a MATLAB struct are called STRUCT.FIELD.

    Args:
        path: .mat (v5 to v7.3), .npy or .npz.
        cube_key: name of the cube's array, where several fit.
        ground_truth: file with the class numbers (height, width), or flat in the order of the cube's pixels; None = no
            labels, unless ``ground_truth_key`` names an array of the cube's own file.
        ground_truth_key: name of its array, where several fit.
        class_names: names of the class numbers that occur, ascending.
        patch_size: see :class:`SceneSource`.
        name: what it is called in logs; the path when None.
        layout: axes of a cube that is not flattened, "HWC", "CHW" or "HCW"; "auto" is HWC, unless only another one fits
            the ground truth or the wavelengths.
        unlabelled: numbers that mean unlabelled, see `simclr.data.class_numbers.class_numbers`.
        no_data: the number that a pixel holds where nothing was measured. Such pixels lose their label, hold each
            band's mean, and do not count in the statistics that preprocessing is fitted to.

    Raises:
        InputError: if no array or more than one could be the cube or the ground truth, they do not fit together, or
            what they hold can be read in two ways.
    """
    file = Path(path).expanduser()
    content = read_array_file(file, "data.path")
    found = find_cube(content, cube_key, file)
    truth: np.ndarray | None = None
    truth_file = file if ground_truth is None else Path(ground_truth).expanduser()
    if ground_truth is not None or ground_truth_key is not None:
        within = content if ground_truth is None else read_array_file(truth_file, "data.ground_truth")
        truth = find_ground_truth(within, ground_truth_key, truth_file, found)
    bands = _number_of_wavelengths(content, found.values.shape)
    values = found.values
    if found.order is not None and layout != "auto":
        raise InputError(
            f"data.layout is {layout}, but the cube in {file} is flattened, bands x pixels: leave it out "
            f"(data.layout=auto)"
        )
    if found.order is None:
        values = with_bands_last(values, layout, file, bands, None if truth is None else truth.shape)
    values, nothing, dead, notes = measured(values, no_data, file)
    cube, value_max = as_tensor(values, f"the cube in {file}")
    marks: Tensor | None = None
    if truth is not None:
        what = f"the ground truth in {truth_file}"
        truth = as_map(truth, values, found.order, what, unlabelled)
        classes = class_numbers(truth, what, unlabelled, zero=True)
        if classes.shape == values.shape[:2]:
            notes += coherence_note(classes, values, what)
        marks = torch.from_numpy(np.nan_to_num(truth, nan=-1).astype(np.int64))
        if nothing is not None and classes.shape == nothing.shape:
            marks = classes.where(~torch.from_numpy(nothing), -1)
            unlabelled = -1  # zeros that are none are classes by now
    scene = SceneSource(
        cube.permute(2, 0, 1),
        marks,
        patch_size=patch_size,
        name=name or str(path),
        class_names=class_names,
        value_max=value_max,
        wavelengths=_wavelengths(content, cube.shape[2]),
        bad_bands=dead,
        unlabelled=unlabelled,
    )
    scene.no_data = None if nothing is None else torch.from_numpy(nothing)
    scene.notes = notes
    return scene


def _number_of_wavelengths(content: dict[str, np.ndarray], shape: tuple[int, ...]) -> int | None:
    """How many bands the file's wavelengths are of, if that is the length of one of the cube's axes."""
    sizes = [values.size for name, values in content.items() if _is_wavelengths(name, values) and values.size in shape]
    return sizes[0] if sizes else None


def _is_wavelengths(name: str, values: np.ndarray) -> bool:
    """By the name of an array; in a struct, its last part counts."""
    return name.lower().rpartition(".")[2] in _WAVELENGTHS and values.dtype.kind in "uif"


def _wavelengths(content: dict[str, np.ndarray], bands: int) -> tuple[float, ...] | None:
    """Wavelengths in nm that the file holds under a common name, one for each band; None if there are none."""
    for name, values in content.items():
        if _is_wavelengths(name, values) and values.size == bands:
            values = values.ravel().astype(np.float64)
            try:
                return check_wavelengths((values * (1000 if values.max() < 100 else 1)).tolist())
            except ValueError:
                return None
    return None
