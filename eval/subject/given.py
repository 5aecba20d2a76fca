"""What a program hands to an evaluation, checked: features, classes, ids, a device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from simclr.augment.checks import shown
from simclr.data.source import Source
from simclr.errors import InputError
from simclr.eval.subject.rows import Matrix, Rows


class Classes(NamedTuple):
    """Classes as they are numbered here: labels (N,) int64, -1 = unlabelled, and the name of each number."""

    labels: Tensor
    names: tuple[str, ...]


def model_of(value: object) -> nn.Module | Matrix:
    """An encoder as it is, or features as a matrix (N, dim) of floats; rows of a memory-mapped array stay on disk.

    Raises:
        InputError: for anything else.
    """
    if isinstance(value, nn.Module):
        missing = [name for name in ("preprocess", "random_twin", "metadata") if not hasattr(value, name)]
        if missing:
            raise InputError(
                f"the encoder has no {missing[0]}: give one of simclr.load_encoder, or a matrix of features."
            )
        return value
    if value is None or isinstance(value, str | bytes | Source):
        raise InputError(
            f"the model is a {type(value).__name__}: give an encoder (simclr.load_encoder) or features (N, dim)."
        )
    if isinstance(value, np.memmap) and value.ndim == 2 and 0 not in value.shape and value.dtype.kind in "iufb":
        return Rows([value])
    features = numbers_of(value, "features")
    if features.ndim != 2 or 0 in features.shape:
        raise InputError(f"features are {tuple(features.shape)}: give (N, dim), a row for each sample.")
    return features if features.is_floating_point() else features.double()


def source_of(model: nn.Module | Matrix, samples: object) -> Source:
    """The samples to judge on: classes that come with features are those of images of one pixel.

    Args:
        model: an encoder, or features (N, dim).
        samples: a source, or with features the classes (N,).

    Raises:
        InputError: features and classes that do not fit, or an encoder without a source.
    """
    if isinstance(model, nn.Module) != isinstance(samples, Source):
        raise InputError("give an encoder with a source, or a matrix of features with its classes.")
    if isinstance(samples, Source):
        return samples
    assert not isinstance(model, nn.Module)
    labels, names = classes_of(samples)
    if len(labels) != len(model):
        raise InputError(f"features are {tuple(model.shape)}, but there are {len(labels)} classes: give one a row.")
    return FeatureSource(model, labels, names)


class FeatureSource(Source):
    """Samples that are known by their features alone: images of one pixel with a channel for each.

    Args:
        features: (N, dim).
        labels: class index 0..K-1 of ``class_names``, (N,) int64, -1 = unlabelled.
        class_names: K names.
        name: what it is called in logs and reports.
    """

    def __init__(self, features: Matrix, labels: Tensor, class_names: Sequence[str], name: str = "features") -> None:
        super().__init__(name, features.shape[1], labels=labels, class_names=class_names)
        self.features = features
        self._check_labels()

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, ids: Tensor) -> Tensor:
        return self.features[ids][:, :, None, None]


def classes_of(values: object) -> Classes:
    """Classes of any kind, numbered from 0 in ascending order as they occur: whole numbers, or words.

    Negative numbers are no class. Nothing grows with the largest number.

    Args:
        values: (N,) numbers or texts, in torch, numpy or a list.

    Raises:
        InputError: anything else.
    """
    array = _array(values, "classes")
    if array.ndim == 2 and 1 in array.shape:
        array = array.ravel()
    if array.ndim != 1 or len(array) == 0:
        raise InputError(f"classes are of shape {array.shape}: give (N,), one for each sample.")
    if array.dtype.kind == "O" and all(isinstance(value, str) for value in array):
        array = array.astype(str)
    if array.dtype.kind == "U":
        found, place = np.unique(array, return_inverse=True)
        return Classes(torch.from_numpy(place.reshape(-1).astype(np.int64)), tuple(map(str, found)))
    if array.dtype.kind not in "iufb":
        raise InputError(f"classes are of {array.dtype}: give whole numbers (negative = unlabelled) or texts.")
    odd = array[array != np.round(array)] if array.dtype.kind == "f" else array[:0]
    if len(odd):
        raise InputError(f"a class is {odd[0]:g}: give whole numbers (negative = unlabelled) or texts.")
    known = array >= 0
    found, place = np.unique(array[known], return_inverse=True)
    labels = np.full(len(array), -1, dtype=np.int64)
    labels[known] = place.reshape(-1)
    return Classes(torch.from_numpy(labels), tuple(str(int(number)) for number in found))


def ids_of(values: object, n: int, what: str) -> Tensor:
    """Ids, or a mask of all samples, as ids: (m,) int64, ascending, each once.

    Args:
        values: whole numbers from 0 to n - 1, or (n,) bool.
        n: how many samples there are.
        what: what they are, for the error.

    Raises:
        InputError: anything else.
    """
    if isinstance(values, Iterable) and not isinstance(values, Tensor | np.ndarray | str | bytes):
        values = list(values)
    array = _array(values, what)
    if array.dtype.kind == "b" and array.shape == (n,):
        return torch.from_numpy(np.flatnonzero(array))
    whole = array.size == 0 or array.dtype.kind in "iu" or (array.dtype.kind == "f" and bool((array % 1 == 0).all()))
    if array.ndim != 1 or not whole:
        raise InputError(
            f"{what} is {shown(values)}: give ids from 0 to {n - 1}, or one True or False for each sample."
        )
    wrong = array[(array < 0) | (array >= n)]
    if len(wrong):
        raise InputError(
            f"{what} names {int(wrong[0])}, but the samples are 0 to {n - 1}: do the ids belong to other data?"
        )
    return torch.from_numpy(np.unique(array).astype(np.int64))


def device_of(value: object) -> torch.device:
    """A device that there is.

    Raises:
        InputError: a word that is none, or a device that this machine lacks.
    """
    try:
        if not isinstance(value, str | torch.device):
            raise RuntimeError(f"it is a {type(value).__name__}")
        device = torch.device(value)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = (str(error).splitlines() or ["unknown"])[0].partition(". ")[0][:60]
        raise InputError(
            f"device is {shown(value)}, which this machine does not have ({reason}): give cpu or cuda."
        ) from None
    return device


def check_wordings(progress: object, command: object) -> None:
    """Raises InputError unless ``progress`` can be called and ``command`` is a text, or they are None."""
    if progress is not None and not callable(progress):
        raise InputError(f"progress is {shown(progress)}: give a function of (what, done, all of it), or None.")
    if command is not None and not isinstance(command, str):
        raise InputError(f"command is {shown(command)}: give a text, or None.")


def numbers_of(value: object, what: str) -> Tensor:
    """Real numbers as a tensor without a graph.

    Raises:
        InputError: anything else.
    """
    if isinstance(value, Tensor) and value.layout == torch.strided and not value.is_complex():
        return value.detach().cpu()
    array = _array(value, what)
    if array.dtype.kind not in "iufb":
        raise InputError(f"{what} are of {array.dtype}: give real numbers.")
    return torch.as_tensor(array, dtype=torch.int64 if array.dtype.kind in "iub" else None)


def _array(value: object, what: str) -> np.ndarray:
    if hasattr(value, "toarray") or (isinstance(value, Tensor) and value.layout != torch.strided):
        raise InputError(f"{what} are a sparse matrix: give a dense one, as of .toarray() or .to_dense().")
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = value.float() if value.dtype == torch.bfloat16 else value
    if isinstance(value, np.ma.MaskedArray) and value.mask.any():
        raise InputError(f"{what} are partly masked: leave those samples out, or fill them.")
    try:
        return np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{what} cannot be read as an array ({' '.join(str(error).split())}).") from None
