"""A .npy or .npz file of images as a source, memory-mapped where the format allows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from simclr.data.class_numbers import Unlabelled
from simclr.data.content import HASHED_AT_ONCE, ContentHash
from simclr.data.numpy_file import check_key, read_arrays
from simclr.data.source import TensorSource, as_labels, as_tensor, number_classes
from simclr.data.stream import StreamSource
from simclr.errors import InputError
from simclr.recipe.data import required_path
from simclr.recipe.images import ArraysData

LAYOUTS = ("auto", "NHW", "NHWC", "NCHW")
_FEW_CHANNELS = 4
# What programs write where a value is missing.
_MISSING = (-9999, -99999, -32768, -32767, -(2**31), float(np.finfo(np.float32).min))


def open_arrays(data: ArraysData, part: str) -> Arrays | None:
    """One part of images in arrays; the test part is the file at ``data.test_path``."""
    path = required_path(data, data.path, "a .npy or .npz file")
    file, labels = (path, data.labels) if part == "train" else (data.test_path, data.test_labels)
    if file is None:
        return None
    return Arrays(
        file,
        key=data.key,
        labels=labels,
        labels_key=data.labels_key,
        unlabelled=data.unlabelled,
        layout=data.layout,
        name=data.name,
    )


class _Mapped(NamedTuple):
    """A file that is mapped into memory, and what was said of it then."""

    file: Path
    then: os.stat_result

    def check(self) -> None:
        """Raises InputError where it was written to since: to read behind its new end would end the process at once.

        What was removed, or replaced by another file of its name, stays mapped as it was.
        """
        try:
            now = os.stat(self.file)
        except OSError:
            return
        same = os.path.samestat(now, self.then)
        if same and (now.st_size, now.st_mtime_ns) != (self.then.st_size, self.then.st_mtime_ns):
            raise InputError(
                f"{self.file} was changed while it was read ({self.then.st_size:,} bytes then, {now.st_size:,} now): "
                f"put it back as it was"
            )


class Arrays(StreamSource):
    """Images in one array of shape (N, H, W), (N, H, W, C) or (N, C, H, W), read when asked for.

    Args:
        path: .npy file (memory-mapped), or .npz file (its array is read into memory).
        key: which array of an .npz file; None = the only one of 3 or 4 dimensions.
        labels: .npy or .npz file of labels, or None. An .npz at ``path`` may hold them itself, see ``labels_key``.
        labels_key: which array of the .npz holds the labels; None = the only one of N whole numbers, if there is one.
        layout: "NHW", "NHWC" or "NCHW"; "auto" = the channel axis is the smaller one of axes 1 and 3, where
            the shape leaves no doubt.
        unlabelled: numbers that mean unlabelled, beside the negative ones.
        name: what it is called in logs; the path when None.

    Raises:
        InputError: if the file cannot be read, or holds no array or several arrays that fit.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        key: str | None = None,
        labels: str | os.PathLike[str] | None = None,
        labels_key: str | None = None,
        unlabelled: Unlabelled = None,
        layout: str = "auto",
        name: str | None = None,
    ) -> None:
        if layout not in LAYOUTS:
            raise InputError(f"data.layout is {layout!r}: choose one of {', '.join(LAYOUTS)}.")
        file = Path(path).expanduser()
        arrays = read_arrays(file, "data.path")
        array = pick(arrays, key, (3, 4), file, "data.key")
        self.array = _to_nchw(array, layout, file)
        self._mapped = _Mapped(file, os.stat(file)) if isinstance(array, np.memmap) else None
        super().__init__(name or str(path), self.array.shape[1])
        probe, self.value_max = _images(np.asarray(self.array[:1]), str(file))
        self.sample_shape = (probe.shape[1], probe.shape[2], probe.shape[3])
        self.sample_dtype = probe.dtype
        if labels is not None:
            label_file = Path(labels).expanduser()
            found = pick(read_arrays(label_file, "data.labels"), labels_key, (1, 2), label_file, "data.labels_key")
            self.labels = as_labels(found, str(label_file), unlabelled)
        else:
            self.labels = labels_within(arrays, labels_key, len(self), file, unlabelled)
        if self.labels is not None:
            self.labels, self.class_names = number_classes(self.labels)
        self._check_labels()

    def __len__(self) -> int:
        return len(self.array)

    def sample_name(self, i: int) -> str:
        return f"sample {i}"

    def read(self, ids: Sequence[int]) -> tuple[Tensor, list[int]]:
        if self._mapped:
            self._mapped.check()
        batch, _ = _images(np.ascontiguousarray(self.array[np.asarray(ids, dtype=np.int64)]), self.name)
        return batch, []

    def load(self, workers: int | None = None) -> TensorSource:
        images, _ = _images(np.array(self.array, order="C"), self.name)
        return TensorSource(
            images,
            self.labels,
            name=self.name,
            class_names=self.class_names,
            value_max=self.value_max,
        )

    def content_hash(self) -> str:
        """SHA-256 of a memory-mapped file's size, time of change and layout; otherwise of every byte."""
        if isinstance(self.array, np.memmap):
            assert self.array.filename is not None  # it was read from a file
            stat = os.stat(self.array.filename)
            layout = self.array.shape, self.array.strides, str(self.array.dtype)
            return ContentHash("file", stat.st_size, stat.st_mtime_ns, *layout).hexdigest()
        content = ContentHash("array")
        for start in range(0, len(self), HASHED_AT_ONCE):
            content.add(self.read(range(start, min(start + HASHED_AT_ONCE, len(self))))[0])
        return content.hexdigest()


def pick(arrays: dict[str, np.ndarray], key: str | None, ranks: Sequence[int], file: Path, option: str) -> np.ndarray:
    """The array named ``key``, or the only one whose rank is among ``ranks``.

    Raises:
        InputError: naming what the file holds.
    """
    check_key(key, arrays, file, option)
    holds = ", ".join(f"{name or 'array'} {tuple(a.shape)}" for name, a in arrays.items()) or "nothing"
    if key is not None:
        if key not in arrays:
            raise InputError(f"{option} is {key!r}, but {file} holds {holds}: name one of them.")
        chosen = arrays[key]
        if chosen.ndim not in ranks:
            wanted = " or ".join(map(str, ranks))
            raise InputError(f"{key} in {file} has shape {tuple(chosen.shape)}, but {wanted} axes are needed.")
        return chosen
    fitting = [name for name, a in arrays.items() if a.ndim in ranks]
    if len(fitting) != 1:
        many = "several arrays" if fitting else "no array"
        advice = f"set {option} to one of them" if fitting else "give another file"
        wanted = " or ".join(map(str, ranks))
        raise InputError(f"{file} has {many} of {wanted} axes, it holds {holds}: {advice}.")
    return arrays[fitting[0]]


def _to_nchw(array: np.ndarray, layout: str, file: Path) -> np.ndarray:
    """A view (N, C, H, W) of the array."""
    if 0 in array.shape:
        raise InputError(f"{file} holds an array of shape {tuple(array.shape)}: it has no samples.")
    if layout != "auto" and len(layout) != array.ndim:
        raise InputError(f"data.layout is {layout}, but the array in {file} has shape {tuple(array.shape)}.")
    if layout == "auto":
        layout = _layout_of(array.shape, file)
    if layout == "NHW":
        return array[:, None]
    return array.transpose(0, 3, 1, 2) if layout == "NHWC" else array


def _layout_of(shape: tuple[int, ...], file: Path) -> str:
    """The layout that a shape can only mean: channels at its smaller end, and few of them or square images.

    Raises:
        InputError: naming what else it could mean.
    """
    if len(shape) == 3:
        n, height, width = shape
        if width <= _FEW_CHANNELS < height:
            raise InputError(
                f"{file} holds an array of shape {shape}: for {n} grey images of {height}x{width} pixels set "
                f"data.layout=NHW; for one image of {width} channels save it with a first axis of 1."
            )
        return "NHW"
    n, a, b, c = shape
    last, first = c < a, a < c
    square_last, square_first = a == b, b == c
    if last and (square_last or (c <= _FEW_CHANNELS and not square_first)):
        return "NHWC"
    if first and (square_first or (a <= _FEW_CHANNELS and not square_last)):
        return "NCHW"
    raise InputError(
        f"{file} holds an array of shape {shape}, which may be {n} images of {c} channels and {a}x{b} pixels "
        f"(data.layout=NHWC) or of {a} channels and {b}x{c} pixels (data.layout=NCHW): set data.layout."
    )


def labels_within(
    arrays: dict[str, np.ndarray], key: str | None, n: int, file: Path, unlabelled: Unlabelled
) -> Tensor | None:
    """Labels that lie in the images' own .npz, if any."""
    if key is not None:
        return as_labels(pick(arrays, key, (1, 2), file, "data.labels_key"), f"{key} in {file}", unlabelled)
    fitting = [name for name, a in arrays.items() if a.shape in ((n,), (n, 1)) and a.dtype.kind in "ui"]
    if len(fitting) > 1:
        raise InputError(f"{file} has several arrays that may be labels ({', '.join(fitting)}): set data.labels_key.")
    return as_labels(arrays[fitting[0]], f"{fitting[0]} in {file}", unlabelled) if fitting else None


def _images(array: np.ndarray, what: str) -> tuple[Tensor, int | None]:
    """As ``simclr.data.source.as_tensor``, where no value is a mark for missing ones."""
    if array.dtype.kind in "if":
        _check_marks(array, what)
    return as_tensor(array, what)


def _check_marks(array: np.ndarray, what: str) -> None:
    """Raises InputError where the lowest value is one that marks missing values, far below all others."""
    lowest = array.min().item() if array.size else 0
    if lowest not in _MISSING:
        return
    others = array[array != lowest]
    if others.size and others.min() > lowest / 10:
        raise InputError(
            f"{what} has {array.size - others.size} values of {lowest:.6g}, far below all others (from "
            f"{others.min():.6g}): that marks missing values, replace them before loading."
        )
