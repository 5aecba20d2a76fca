"""Arrays out of the files in which scenes and their label maps are passed around: .mat, .npy and .npz."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from simclr.data.numpy_file import read_arrays
from simclr.data.scenes.mat import read_mat
from simclr.errors import InputError


class Kind(NamedTuple):
    """A kind of file that is known and not read, and the Python that makes a .npy of it, where there is such."""

    name: str
    packages: str = ""
    cube: str = ""


_TIFF = Kind("a TIFF", "rasterio", "rasterio.open({file!r}).read().transpose(1, 2, 0)")
_ENVI = Kind("an ENVI", "spectral", "spectral.open_image({file!r}).open_memmap()")
_HDF5 = Kind("an HDF5", "h5py", "h5py.File({file!r})['NAME'][()]")
_NETCDF = Kind("a netCDF", "netCDF4", "netCDF4.Dataset({file!r})['NAME'][:].data")
_HDF4 = Kind("an HDF4")
_PICTURE, _GZIP = Kind("a picture"), Kind("a gzip")
_MAGIC = {
    b"II*\0": _TIFF,
    b"MM\0*": _TIFF,
    b"II+\0": _TIFF,
    b"MM\0+": _TIFF,
    b"\x89HDF": _HDF5,
    b"CDF\1": _NETCDF,
    b"CDF\2": _NETCDF,
    b"CDF\5": _NETCDF,
    b"\x0e\x03\x13\x01": _HDF4,
    b"ENVI": _ENVI,
    b"\x89PNG": _PICTURE,
    b"\xff\xd8\xff\xe0": _PICTURE,
    b"\xff\xd8\xff\xe1": _PICTURE,
    b"\x1f\x8b\x08\0": _GZIP,
    b"\x1f\x8b\x08\x08": _GZIP,
}


def read_array_file(file: Path, key: str) -> dict[str, np.ndarray]:
    """The numeric arrays of a file by name; that of a .npy is called "".

    Args:
        file: .mat, .npy or .npz; told by what it holds, not by its name alone.
        key: what named it, for the error.

    Raises:
        InputError: if it is missing, damaged, or of another kind, which is named with a way to convert it.
    """
    if not file.is_file():
        kind = "is a folder" if file.is_dir() else "is no file" if file.exists() else "does not exist"
        raise InputError(f"{key} is {file}, which {kind}: give a .mat, .npy or .npz file.")
    try:
        with open(file, "rb") as stream:
            head = stream.read(8)
    except OSError as error:
        raise InputError(f"{key} is {file}, which cannot be read: {error.strerror or error}.") from None
    if head[:6] == b"\x93NUMPY" or head[:4] in (b"PK\3\4", b"PK\5\6"):
        return read_arrays(file, key)
    if file.suffix.lower() == ".mat" or head[:6] == b"MATLAB":
        return read_mat(file)
    other = _MAGIC.get(head[:4], _envi_data(file))
    if other is None:
        raise InputError(f"{key} is {file}, which does not begin as a .mat, .npy or .npz file: give one of those.")
    raise InputError(f"{key} is {file}, {other.name} file, which is not read here: {_advice(other, file)}.")


def _envi_data(file: Path) -> Kind | None:
    """ENVI's numbers have no mark of their own, but a header beside them."""
    headers = file.with_suffix(".hdr"), Path(f"{file}.hdr")
    return _ENVI if any(header.is_file() and header != file for header in headers) else None


def _advice(kind: Kind, file: Path) -> str:
    if kind is _GZIP:
        return "unpack it first"
    if not kind.cube:
        return "save its bands as a .npy of shape (height, width, bands)"
    header = file
    if kind is _ENVI and file.suffix.lower() != ".hdr":
        header = next(h for h in (file.with_suffix(".hdr"), Path(f"{file}.hdr")) if h.is_file())
    cube = kind.cube.format(file=str(header))
    return (
        f"save its bands as a .npy of shape (height, width, bands), in Python by import numpy, {kind.packages}; "
        f"numpy.save('scene.npy', {cube})"
    )
