"""Numeric arrays of MATLAB files, of both formats: up to v7 (SciPy) and v7.3 (HDF5, h5py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from simclr.errors import InputError


def read_mat(file: Path) -> dict[str, np.ndarray]:
    """The real numeric arrays of a .mat file by name, with MATLAB's axes; structs, cells and texts are left out.

    Raises:
        InputError: if the file is damaged, or is v7.3 and h5py is missing.
    """
    with open(file, "rb") as stream:
        head = stream.read(520)
    # v7.3 begins with MATLAB's text header, and HDF5's signature stands at 512; bare HDF5 has it at 0.
    if head[:4] == b"\x89HDF" or head[512:516] == b"\x89HDF":
        return _read_hdf5(file)
    import scipy.io

    try:
        content = scipy.io.loadmat(file)
    except Exception as error:  # SciPy raises a dozen kinds for a broken file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{file} cannot be read as a MATLAB file ({reason}): check that it is complete.") from error
    return {k: v for k, v in content.items() if isinstance(v, np.ndarray) and _is_numeric(v)}


def _read_hdf5(file: Path) -> dict[str, np.ndarray]:
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            f"{file} is a MATLAB v7.3 (HDF5) file, which needs h5py: pip install 'simclr-toolkit[hsi]', "
            f"or save it as v7."
        ) from error
    try:
        with h5py.File(file, "r") as content:
            # MATLAB stores columns first and HDF5 rows first, so every array comes out transposed.
            # Texts are numbers there, known by an attribute alone; cells are references.
            return {
                k: np.asarray(v).T
                for k, v in content.items()
                if isinstance(v, h5py.Dataset)
                and _is_numeric(v)
                and v.attrs.get("MATLAB_class") not in (b"char", b"cell")
            }
    except OSError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{file} cannot be read as HDF5 ({reason}): check that it is complete.") from error


def _is_numeric(value: Any) -> bool:
    return getattr(value, "dtype", None) is not None and value.dtype.kind in "uifb"
