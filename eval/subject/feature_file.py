"""Features that lie in files, with their classes: a subject that was extracted somewhere, by whatever encoder.

A file holds one matrix (N, dim) of real numbers, a row for each sample: .npy, read from the disk as it is needed, or
.npz, which may hold the classes, too. Classes lie in a .npy or .npz file of N whole numbers of any size, negative ones
meaning unlabelled. What says so are the keys of images in arrays (``simclr.recipe.images.ArraysData``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from simclr.data.images.arrays import labels_within, pick
from simclr.data.numpy_file import read_arrays
from simclr.data.source import as_labels, number_classes
from simclr.errors import InputError
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.subject.features import check_finite
from simclr.eval.subject.given import FeatureSource
from simclr.eval.subject.rows import MOST_AT_ONCE, Matrix, Rows, in_memory
from simclr.eval.subject.subject import Subject
from simclr.recipe.images import ArraysData
from simclr.recipe.read import feature_files

# Of the keys of images in arrays, those that say something of features.
_READ = frozenset(("source", "path", "name", "test_path", "key", "labels", "test_labels", "labels_key", "unlabelled"))
_READ |= {"unknown", "workers"}


def open_features(path: Path, overrides: Sequence[str] = ()) -> tuple[Subject, ArraysData]:
    """A subject of features in files, and what was said about them.

    Args:
        path: .npy or .npz file of the features.
        overrides: ``data.labels=FILE``, ``data.test_path=FILE``, ``data.test_labels=FILE`` and the like.

    Raises:
        InputError: a file that cannot be read, holds no matrix or no classes, or two that do not fit together.
    """
    section = feature_files(path, overrides)
    if any(override.startswith("data.path=") for override in overrides):
        raise InputError(f"data.path is {path} itself: leave it out, or judge the other file")
    section.named_files()
    for key in sorted(section.model_fields_set - _READ):
        raise InputError(f"data.{key} says something of images, and {path} holds features: leave it out")
    train = _read(section, str(path), section.labels)
    test = None if section.test_path is None else _read(section, section.test_path, section.test_labels)
    if test is not None and test.in_chans != train.in_chans:
        raise InputError(f"{test.name} has {test.in_chans} features, but {train.name} has {train.in_chans}.")
    parts = [part.features.parts[0] for part in (train, test) if part is not None and isinstance(part.features, Rows)]
    rows = Rows(parts)
    check_finite(rows, torch.arange(len(rows)), section.name or str(path))
    model: Matrix = rows if rows.shape.numel() > MOST_AT_ONCE else in_memory(rows, "")
    return Subject(model, LabelledData(train, test), torch.empty(0, dtype=torch.int64)), section


def _read(section: ArraysData, path: str, labels: str | None) -> FeatureSource:
    """One part: its features and their classes."""
    file = Path(path).expanduser()
    arrays = read_arrays(file, "the features")
    if section.key is None and not any(array.ndim == 2 for array in arrays.values()):
        shape = next(iter(arrays.values())).shape
        advice = "give the encoder, and the images as data.path" if len(shape) > 2 else "a row for each sample"
        raise InputError(f"{file} is of shape {shape}: give features (N, dim); {advice}.")
    matrix = pick(arrays, section.key, (2,), file, "data.key")
    if 0 in matrix.shape or matrix.dtype.kind not in "iufb":
        raise InputError(f"{file} is of {matrix.dtype} and of shape {matrix.shape}: give real numbers (N, dim).")
    if labels is None:
        found = labels_within(arrays, section.labels_key, len(matrix), file, section.unlabelled)
    else:
        place = Path(labels).expanduser()
        held = pick(read_arrays(place, "data.labels"), section.labels_key, (1, 2), place, "data.labels_key")
        found = as_labels(np.asarray(held), str(place), section.unlabelled)
    if found is None:
        key = "data.labels" if path != section.test_path else "data.test_labels"
        raise InputError(f"{file} holds no classes: name their file, {key}=FILE (.npy or .npz, N whole numbers).")
    if len(found) != len(matrix):
        raise InputError(f"{file} holds {len(matrix):,} samples, but there are {len(found):,} classes: give one a row.")
    return FeatureSource(Rows([matrix]), *number_classes(found), name=section.name or path)
