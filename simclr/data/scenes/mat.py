"""Numeric arrays of MATLAB files, of all formats: up to v7, and v7.3 (HDF5, h5py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from simclr.data.scenes.mat5 import FOLD, LARGEST, BrokenError, read_mat5
from simclr.errors import InputError


def read_mat(file: Path) -> dict[str, np.ndarray]:
    """The real numeric arrays of a .mat file by name, with MATLAB's axes; those in a struct by a dotted path.

    Arrays of structs, cells and texts are left out.

    Raises:
        InputError: if the file cannot be read or is damaged, or is v7.3 and h5py is missing.
    """
    try:
        with open(file, "rb") as stream:
            head = stream.read(520)
        # v7.3 begins with MATLAB's text header, and HDF5's signature stands at 512; bare HDF5 has it at 0.
        if head[:4] == b"\x89HDF" or head[512:516] == b"\x89HDF":
            return _read_hdf5(file)
        return read_mat5(file)
    except BrokenError as error:
        raise InputError(f"{file} cannot be read as a MATLAB file ({error}): check that it is complete.") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}.") from None


def _read_hdf5(file: Path) -> dict[str, np.ndarray]:
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            f"{file} is a MATLAB v7.3 (HDF5) file, which needs h5py: pip install 'simclr-toolkit[hsi]', "
            f"or save it as v7."
        ) from error
    found: dict[str, np.ndarray] = {}

    def collect(path: str, value: Any) -> None:
        # Texts are numbers there, known by an attribute alone; cells are references, which lie in a group of their own.
        if not isinstance(value, h5py.Dataset) or path.startswith("#") or not _is_numeric(value):
            return
        if value.attrs.get("MATLAB_class") in (b"char", b"cell") or "MATLAB_empty" in value.attrs:
            return
        stored = value.id.get_storage_size()
        if value.nbytes > LARGEST and value.nbytes > FOLD * stored:
            raise BrokenError(f"{stored:,} bytes say that they are {value.nbytes:,}")
        # MATLAB stores columns first and HDF5 rows first, so every array comes out transposed.
        found[path.replace("/", ".")] = np.asarray(value).T

    try:
        with h5py.File(file, "r") as content:
            content.visititems(collect)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{file} cannot be read as HDF5 ({reason}): check that it is complete.") from error
    return found


def _is_numeric(value: Any) -> bool:
    return getattr(value, "dtype", None) is not None and value.dtype.kind in "uifb"
