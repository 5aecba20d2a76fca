"""Arrays out of the files in which scenes and their label maps are passed around: .mat, .npy and .npz."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from simclr.data.file_kind import FileKind, check_regular, kind_of
from simclr.data.numpy_file import read_arrays
from simclr.data.scenes.mat import read_mat
from simclr.errors import InputError


class Conversion(NamedTuple):
    """Python that reads a cube (height, width, bands) out of a file of another format: packages, and an expression."""

    packages: str
    cube: str


_TIFF = Conversion("rasterio", "rasterio.open({file!r}).read().transpose(1, 2, 0)")
_CONVERSIONS = {
    "TIFF": _TIFF,
    "BigTIFF": _TIFF,
    "ENVI": Conversion("spectral", "spectral.open_image({file!r}).open_memmap()"),
    "HDF5": Conversion("h5py", "h5py.File({file!r})['NAME'][()]"),
    "netCDF": Conversion("netCDF4", "netCDF4.Dataset({file!r})['NAME'][:].data"),
}


def read_array_file(file: Path, key: str) -> dict[str, np.ndarray]:
    """The numeric arrays of a file by name; that of a .npy is called "".

    Args:
        file: .mat, .npy or .npz; told by what it holds, not by its name alone.
        key: what named it, for the error.

    Raises:
        InputError: if it is missing, damaged, or of another kind, which is named with a way to convert it.
    """
    check_regular(file, key, "a .mat, .npy or .npz file")
    try:
        with open(file, "rb") as stream:
            head = stream.read(8)
        kind = kind_of(file)
    except OSError as error:
        raise InputError(f"{key} is {file}, which cannot be read: {error.strerror or error}.") from None
    if head[:6] == b"\x93NUMPY" or head[:4] in (b"PK\3\4", b"PK\5\6"):
        return read_arrays(file, key)
    if file.suffix.lower() == ".mat" or head[:6] == b"MATLAB":
        return read_mat(file)
    if kind is None:
        raise InputError(f"{key} is {file}, which does not begin as a .mat, .npy or .npz file: give one of those.")
    raise InputError(f"{key} is {file}, which is {kind.name}: {_advice(kind, file)}.")


def _advice(kind: FileKind, file: Path) -> str:
    conversion = next((how for word, how in _CONVERSIONS.items() if f" {word} " in kind.name), None)
    if conversion is None:
        return kind.advice
    header = file
    if "the data of an ENVI" in kind.name:
        header = next(h for h in (file.with_suffix(".hdr"), Path(f"{file}.hdr")) if h.is_file())
    return (
        f"save its bands as a .npy of shape (height, width, bands), in Python by import numpy, {conversion.packages}; "
        f"numpy.save('scene.npy', {conversion.cube.format(file=str(header))})"
    )
