"""Pixels that were never measured: a number such as -9999 stands in a cube where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from simclr.errors import InputError

# Numbers that mark such pixels where they stand apart from all others, and the size from which floats do.
_MARKS = (-99.0, -999.0, -9999.0, -99999.0, -32767.0, -32768.0, -(2.0**31))
_HUGE = 1e20


class Measured(NamedTuple):
    """A cube whose unmeasured pixels are told.

    Attributes:
        cube: (height, width, bands); unmeasured pixels hold each band's mean over the others.
        nothing: (height, width) bool, the unmeasured pixels; None where no number means that.
        dead: bands in which nothing was measured.
        notes: what else deserves a look, in sentences.
    """

    cube: np.ndarray
    nothing: np.ndarray | None = None
    dead: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def measured(cube: np.ndarray, no_data: float | None, file: Path) -> Measured:
    """Tells unmeasured pixels by the number that they hold.

    A pixel is unmeasured where any band holds the number (or NaN). Zeros occur in spectra: where the number is 0, all
    bands have to. Bands that hold nothing else are dead.

    Args:
        cube: (height, width, bands).
        no_data: the number; None = none.
        file: for errors and notes.

    Raises:
        InputError: nothing was measured; or no number is given, and one of the usual ones stands apart from the rest.
    """
    if no_data is None:
        _check_marks(cube, file)
        zero = int((cube[cube[:, :, 0] == 0] == 0).all(1).sum())
        note = f"{zero:,} pixels of {file} hold 0 in every band: set data.no_data=0 if nothing was measured there"
        return Measured(cube, notes=(note,) if 0 < zero < cube.shape[0] * cube.shape[1] else ())
    missing = cube == no_data
    if cube.dtype.kind == "f":
        missing |= np.isnan(cube)
    dead = missing.all((0, 1))
    alive = missing[:, :, ~dead]
    nothing = alive.all(2) if no_data == 0 else alive.any(2)
    if bool(nothing.all() or dead.all()):
        raise InputError(f"every pixel of {file} holds {no_data:g}, which data.no_data says means nothing: change it.")
    filled = cube.copy()
    filled[nothing] = cube[~nothing].mean(0, dtype=np.float64).astype(cube.dtype)
    filled[:, :, dead] = 0
    return Measured(filled, nothing, tuple(np.flatnonzero(dead).tolist()))


def _check_marks(cube: np.ndarray, file: Path) -> None:
    """Raises InputError where the smallest or largest value stands apart from the others and is a usual mark."""
    if cube.dtype.kind not in "if":
        return
    low, high = cube.min(), cube.max()
    if np.isnan(low):  # named elsewhere
        return
    for mark in (low, high):
        if abs(float(mark)) >= _HUGE:
            apart = np.isfinite(mark)
        else:
            rest = cube[cube > mark] if float(mark) in _MARKS else cube[:0]
            apart = len(rest) > 0 and float(rest.min()) > float(mark) / 2
        if apart:
            pixels, number = int((cube == mark).any(2).sum()), float(mark)
            shown = f"{number:g}" if float(f"{number:g}") == number else repr(number)
            raise InputError(
                f"{pixels:,} pixels of the cube in {file} hold {shown}, which usually means that nothing was "
                f"measured: set data.no_data={shown}, or to another number if it is a value."
            )
