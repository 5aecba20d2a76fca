"""What every data source is: N samples that are asked for by id, in batches, in their raw values."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from simclr.data.class_numbers import Unlabelled, class_numbers
from simclr.data.content import HASHED_AT_ONCE, SINGLE_ROWS_AT_ONCE, ContentHash, SampleHashes, hash_rows
from simclr.errors import InputError

SourceT = TypeVar("SourceT", bound="Source")

_VALUE_MAX = {torch.uint8: 255, torch.int8: 127, torch.int16: 32767}


class Source:
    """N samples with ids 0..N-1, indexed by a tensor of ids.

    Attributes:
        name: what it is called in logs and reports.
        in_chans: channels (bands) of a sample.
        labels: (N,) int64 on the CPU, class index 0..K-1, -1 = unlabelled; None where there are no labels.
        class_names: K names, empty where there are no labels. Where none are given the labels are class numbers of any
            size: those that occur become 0..K-1, and are the names.
        value_max: the largest value that the stored pixels can take (255 for 8-bit, 65535 for 16-bit integers),
            None for floating point and wide integers, which have no natural end.
        resident: True if all samples lie in one tensor on ``device``, False if they are read when asked for.
        damaged: names of the samples that could not be read.
        notes: what deserves a look, in sentences, for whoever opened the source.
    """

    resident: bool = True

    def __init__(
        self,
        name: str,
        in_chans: int,
        *,
        labels: Tensor | None = None,
        class_names: Sequence[str] = (),
        value_max: int | None = None,
    ) -> None:
        self.name = name
        self.in_chans = in_chans
        self.labels = None if labels is None else labels.detach().to("cpu", torch.int64).clone()
        self.class_names = tuple(class_names)
        if self.labels is not None and not self.class_names:
            self.labels, self.class_names = number_classes(self.labels)
        if len(set(self.class_names)) < len(self.class_names):
            twice = next(name for name in self.class_names if self.class_names.count(name) > 1)
            raise InputError(f"{name} has two classes that are called {twice}: give every class a name of its own.")
        self.value_max = value_max
        self.damaged: list[str] = []
        self.notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        raise NotImplementedError

    def __getitem__(self, ids: Tensor) -> Tensor:
        """Samples of the given ids, (b,) int64 -> (b, C, H, W) in the raw dtype, on ``device``."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        """Where the samples appear."""
        return torch.device("cpu")

    def to(self: SourceT, device: torch.device | str) -> SourceT:
        """Moves a resident source's samples to ``device``; the labels stay on the CPU. Returns itself."""
        return self

    def labelled_ids(self) -> Tensor:
        """Ids of the samples that have a label, ascending, (M,) int64; empty without labels."""
        if self.labels is None:
            return torch.empty(0, dtype=torch.int64)
        return torch.nonzero(self.labels >= 0).flatten()

    def with_classes(self: SourceT, names: Sequence[str]) -> SourceT:
        """The same samples with their classes numbered as another part numbers them, which may have more.

        Raises:
            InputError: if a class is not among them.
        """
        if self.labels is None or self.class_names == tuple(names):
            return self
        number = {name: k for k, name in enumerate(names)}
        strange = next((name for name in self.class_names if name not in number), None)
        if strange is not None:
            raise InputError(f"{self.name} has the class {strange}, which is not among {', '.join(names[:10])}.")
        other = copy.copy(self)
        new = torch.tensor([number[name] for name in self.class_names] + [-1])  # the last is that of -1
        other.labels, other.class_names = new[self.labels], tuple(names)
        return other

    def content_hash(self) -> str:
        """SHA-256 of what the samples are made of: not of labels or names, nor of the path.

        Here, every byte of every sample. A source whose samples are costly to read says what else tells its content:
        files by their size and time of change, say.
        """
        content = ContentHash("samples", len(self))
        for ids in torch.arange(len(self)).split(HASHED_AT_ONCE):
            content.add(self[ids])
        return content.hexdigest()

    def sample_hashes(self) -> SampleHashes:
        """A hash of each sample, by which it is known again in another order, under another name, among others.

        Here, of the bytes of its values.
        """
        first = self[torch.zeros(1, dtype=torch.int64)]
        kind = f"values {str(first.dtype).removeprefix('torch.')} {tuple(first.shape[1:])}"
        parts = torch.arange(len(self)).split(SINGLE_ROWS_AT_ONCE)
        return SampleHashes(kind, torch.cat([hash_rows(self[ids]) for ids in parts]))

    def _check_labels(self) -> None:
        """Raises InputError unless there is one label a sample and one name a class."""
        if self.labels is None:
            return
        if self.labels.ndim != 1 or len(self.labels) != len(self):
            raise InputError(
                f"{self.name} has {len(self)} samples, but labels of shape {tuple(self.labels.shape)}: "
                f"give one label for each sample, in the same order."
            )
        if len(self.labels) and not -1 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.class_names):
            raise InputError(
                f"{self.name} has labels from {int(self.labels.min())} to {int(self.labels.max())}, but "
                f"{len(self.class_names)} class names: labels are 0..K-1, or -1 for unlabelled."
            )


def number_classes(numbers: Tensor) -> tuple[Tensor, tuple[str, ...]]:
    """Class numbers of any size (negative: unlabelled) as labels 0..K-1 in ascending order, and the numbers as text."""
    there = numbers[numbers >= 0].unique()
    return torch.searchsorted(there, numbers).where(numbers >= 0, numbers), tuple(str(k) for k in there.tolist())


def as_tensor(array: np.ndarray, what: str) -> tuple[Tensor, int | None]:
    """A NumPy array as a tensor of a dtype that torch can compute with, and its largest possible value.

    No integer changes its value. 8-bit integers, int16 and int32 keep their dtype. uint16 and wider integers become
    int32, as torch has few operations for unsigned ones. Booleans become uint8 0 and 255. Floats become float32.

    Args:
        array: any shape, any real dtype.
        what: what it is, for the error.

    Returns:
        The tensor (it may share memory with ``array``), and ``value_max`` as in :class:`Source`.

    Raises:
        InputError: if the array is not of numbers, or holds NaN, infinity, or integers that int32 does not hold.
    """
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "b":
        return torch.from_numpy(array.astype(np.uint8) * np.uint8(255)), 255
    if kind in "ui" and (size == 1 or array.dtype == np.int16):
        return _from_numpy(array), int(np.iinfo(array.dtype).max)
    if array.dtype == np.uint16:
        return torch.from_numpy(array.astype(np.int32)), 65535
    if kind in "ui":
        limits = np.iinfo(np.int32)
        if array.size and not limits.min <= array.min() <= array.max() <= limits.max:
            raise InputError(
                f"{what} has {array.dtype} values from {array.min()} to {array.max()}, which 32 bits do not hold: save "
                f"it as float32, divided by what they have in common."
            )
        return _from_numpy(array.astype(np.int32, copy=False)), None
    if kind == "f":
        with np.errstate(over="ignore"):  # what is too large becomes infinite, which is refused
            values = _from_numpy(array.astype(np.float32, copy=False))
        if not bool(torch.isfinite(values).all()):
            bad = int((~torch.isfinite(values)).sum())
            raise InputError(
                f"{what} has {bad} values that are NaN or infinite (in float32): replace them before loading."
            )
        return values, None
    raise InputError(f"{what} has dtype {array.dtype}: give integers, floats or booleans.")


def _from_numpy(array: np.ndarray) -> Tensor:
    """torch.from_numpy that copies where NumPy's memory is read-only or of negative stride."""
    if not array.flags.writeable or any(s < 0 for s in array.strides):
        array = array.copy()
    return torch.from_numpy(array)


def as_labels(values: np.ndarray, what: str, unlabelled: Unlabelled = None) -> Tensor:
    """Class numbers as labels: (N,) int64; whole numbers, negative ones and ``unlabelled`` mean unlabelled (-1).

    Raises:
        InputError: if they are not one-dimensional whole numbers, or as in `simclr.data.class_numbers.class_numbers`.
    """
    values = np.asarray(values)
    if values.ndim == 2 and 1 in values.shape:
        values = values.ravel()
    if values.ndim != 1 or values.dtype.kind not in "uif":
        raise InputError(
            f"{what} holds {values.dtype} of shape {values.shape}: labels are one whole number for each sample."
        )
    return class_numbers(values, what, unlabelled)


class TensorSource(Source):
    """A resident source over images that already are a tensor.

    Args:
        images: (N, C, H, W), any real dtype that torch can index; kept as it is.
        labels: (N,) class index 0..K-1 of ``class_names``, or without these class numbers; -1 = unlabelled; or None.
        name: what it is called in logs.
        class_names: K names; the class numbers that occur as text when empty.
        value_max: largest possible value of the stored pixels; taken from the dtype when None.
        hashes: gives the hash of each sample, of images that were read from something else; None hashes the images.

    Raises:
        InputError: if the images are not 4-D or empty, or the labels do not fit them.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        *,
        name: str = "tensor",
        class_names: Sequence[str] = (),
        value_max: int | None = None,
        hashes: Callable[[], SampleHashes] | None = None,
    ) -> None:
        if images.ndim != 4 or len(images) == 0:
            raise InputError(
                f"{name} has images of shape {tuple(images.shape)}: give (N, C, H, W) with N of at least 1."
            )
        super().__init__(
            name,
            images.shape[1],
            labels=labels,
            class_names=class_names,
            value_max=_VALUE_MAX.get(images.dtype) if value_max is None else value_max,
        )
        self.images = images
        self._hashes = hashes
        self._check_labels()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, ids: Tensor) -> Tensor:
        return self.images[ids.to(self.images.device)]

    @property
    def device(self) -> torch.device:
        return self.images.device

    def to(self, device: torch.device | str) -> TensorSource:
        self.images = self.images.to(device)
        return self

    def content_hash(self) -> str:
        content = ContentHash("tensor", self.value_max)
        content.add(self.images)
        return content.hexdigest()

    def sample_hashes(self) -> SampleHashes:
        return super().sample_hashes() if self._hashes is None else self._hashes()
