"""The ground truth among a file's arrays, and whether its labels lie where the cube's spectra say that they do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from simclr.data.class_numbers import Unlabelled, class_numbers
from simclr.data.numpy_file import check_key
from simclr.data.scenes.cube import ORDERS, Cube, Order, listed
from simclr.errors import InputError

_PLAIN = "a ground truth is whole class numbers (height, width)"
# Classes explain 60 to 90 % of the variance of real scenes, and 40 to 80 points less where labels are transposed.
_TOLD, _MORE = 0.4, 0.25


def find_ground_truth(content: Mapping[str, np.ndarray], key: str | None, file: Path, cube: Cube) -> np.ndarray:
    """The array named ``key``, or the only one that can be the ground truth of a cube.

    Args:
        content: arrays of the file.
        key: see above.
        file: for the error.
        cube: as the file holds it, the axis of its bands not known yet.

    Returns:
        Class numbers, (height, width) or flat; of another shape where nothing else can be meant.

    Raises:
        InputError: there is none, or several.
    """
    check_key(key, content, file, "data.ground_truth_key")
    if key is not None:
        if key not in content:
            raise InputError(f"data.ground_truth_key is {key!r}, but {file} holds {listed(content)}: name one of them.")
        return content[key].squeeze() if content[key].ndim > 2 else content[key]
    content = {
        name: array.squeeze() if array.ndim > 2 and array is not cube.stored else array
        for name, array in content.items()
    }
    shape = cube.values.shape
    sizes = {(shape[0], shape[1])} | (set() if cube.order else {(shape[1], shape[2]), (shape[0], shape[2])})
    pixels = {height * width for height, width in sizes}
    others = {name: array for name, array in content.items() if array is not cube.stored and _whole(array)}
    maps = {k: v for k, v in others.items() if v.shape in sizes or (v.size in pixels and v.size in v.shape)}
    maps = maps or {k: v for k, v in others.items() if v.ndim == 2 and min(v.shape) > 1}
    if len(maps) == 1:
        return next(iter(maps.values()))
    if maps:
        raise InputError(
            f"{file} holds {len(maps)} arrays that may be the ground truth, {listed(maps)}: set data.ground_truth_key."
        )
    raise InputError(f"{file} holds no ground truth, only {listed(content)}: {_PLAIN}{_abundances(content, pixels)}.")


def _whole(array: np.ndarray) -> bool:
    if array.dtype.kind != "f":
        return array.dtype.kind in "uib"
    return bool(np.all(np.mod(array[np.isfinite(array)], 1) == 0)) and not bool(np.isinf(array).any())


def _abundances(content: Mapping[str, np.ndarray], pixels: set[int]) -> str:
    """How to make class numbers of abundances, if the file holds such."""
    for name, array in content.items():
        if (
            array.ndim == 2
            and pixels & set(array.shape)
            and array.dtype.kind == "f"
            and bool((abs(array - 0.5) < 0.6).all())
        ):
            axis = 0 if array.shape[1] in pixels else 1
            return (
                f"; {name or 'the array'} looks like the abundances of {array.shape[axis]} materials: save "
                f"1 + argmax of it along axis {axis}, the most abundant one, as a .npy"
            )
    return ""


def as_map(truth: np.ndarray, cube: np.ndarray, order: Order | None, what: str, unlabelled: Unlabelled) -> np.ndarray:
    """A ground truth as (height, width): a flat one in the order of the cube's own pixels.

    Args:
        truth: class numbers, (height, width) or flat.
        cube: (height, width, bands).
        order: of the pixels of a flattened cube; where it was not, labels go where the spectra say.
        what: what it is, for the error.
        unlabelled: as in `simclr.data.class_numbers.class_numbers`.

    Raises:
        InputError: a flat one whose order nothing tells; or one whose labels plainly lie elsewhere than the spectra.
    """
    height, width, _ = cube.shape
    if truth.shape == (height, width):
        if truth.dtype.kind in "uifb":
            _check_places(truth, cube, order, what, unlabelled)
        return truth
    if truth.size != height * width or max(truth.shape) != truth.size:
        return truth
    if order is None:
        orders: tuple[Order, ...] = "F", "C"
        given = {o: truth.ravel().reshape((height, width), order=o) for o in orders}
        fit = {o: _explained(class_numbers(m, what, unlabelled, zero=True).numpy(), cube) for o, m in given.items()}
        best = max(fit, key=lambda o: fit[o])
        if fit[best] < _TOLD or fit[best] < _MORE + min(fit.values()):
            raise InputError(
                f"{what} is flat, and neither order of its {truth.size} numbers tells the spectra apart: reshape it to "
                f"{height}x{width}."
            )
        return given[best]
    return truth.ravel().reshape((height, width), order=order)


def _check_places(truth: np.ndarray, cube: np.ndarray, order: Order | None, what: str, unlabelled: Unlabelled) -> None:
    """Raises InputError where the labels, reshaped in another order, explain the spectra far better."""
    here = _explained(class_numbers(truth, what, unlabelled, zero=True).numpy(), cube)
    if here > 1 - _MORE:
        return
    both: tuple[tuple[Order, Order], ...] = ("C", "F"), ("F", "C")
    for read, written in both:
        other = truth.ravel(order=read).reshape(truth.shape, order=written)
        there = _explained(class_numbers(other, what, unlabelled, zero=True).numpy(), cube)
        if there >= _TOLD and there > _MORE + here:
            flat = f", whose pixels are in {ORDERS[order]} order" if order else ""
            raise InputError(
                f"{what} does not fit the cube{flat}: its classes explain {100 * here:.0f} % of the variance of the "
                f"spectra, and {100 * there:.0f} % once its numbers are put in the other order. Save it as "
                f"gt.ravel(order='{read}').reshape(gt.shape, order='{written}')."
            )


def coherence_note(labels: torch.Tensor, cube: np.ndarray, what: str) -> tuple[str, ...]:
    """A sentence where labels explain no more of the spectra than labels at random would, and form no areas.

    Args:
        labels: (height, width) int64, -1 = unlabelled.
        cube: (height, width, bands).
        what: whose labels.
    """
    found = labels.numpy()
    pairs = [(found[1:], found[:-1]), (found[:, 1:], found[:, :-1])]
    both = np.concatenate([np.stack([a, b])[:, (a >= 0) & (b >= 0)] for a, b in pairs], axis=1)
    n, classes = int((found >= 0).sum()), len(np.unique(found[found >= 0]))
    if n < 20 * classes or classes < 2 or both.shape[1] < 20 * classes:
        return ()
    shares = np.unique(found[found >= 0], return_counts=True)[1] / n
    alike, chance = float((both[0] == both[1]).mean()), float(np.square(shares).sum())
    if _explained(found, cube) > 0.02 or alike > chance + 0.1 * (1 - chance):
        return ()
    return (f"{what} neither forms areas nor tells the spectra apart: is the order of its pixels that of the cube?",)


def _explained(classes: np.ndarray, cube: np.ndarray) -> float:
    """Share of the variance of standardised bands that lies between the classes, less what chance gives; 0 at least."""
    labelled = classes >= 0
    spectra = cube[:, :, :: max(1, cube.shape[2] // 16)][labelled].astype(np.float64)
    numbers, members = np.unique(classes[labelled], return_inverse=True)
    n, k = len(spectra), len(numbers)
    if k < 2 or n < 2 * k or not np.isfinite(spectra).all():
        return 0.0
    spectra = spectra - spectra.mean(0)
    spread = spectra.std(0)
    spectra = spectra[:, spread > 0] / spread[spread > 0]
    if not spectra.shape[1]:
        return 0.0
    sums = np.zeros((k, spectra.shape[1]))
    np.add.at(sums, members, spectra)
    between = float((np.square(sums) / np.bincount(members)[:, None]).sum()) / spectra.size
    chance = (k - 1) / (n - 1)
    return max(0.0, (between - chance) / (1 - chance))
