"""What is judged: an encoder or a matrix of features, the samples, and what pretraining has seen of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from eval.splits.labelled import LabelledData, T
from eval.splits.split import as_ids
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source, TensorSource
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.recipe.data import Data, keys_read_by, section_of
from simclr.recipe.read import apply_overrides, check_recipe


def data_section(encoder: FrozenEncoder, overrides: Sequence[str]) -> Data:
    for override in overrides:
        if not override.startswith("data."):
            raise InputError(f"{override!r} is no override of the data: write, for example, data.path=FOLDER")
    data = dict(encoder.metadata["data"])
    asked = apply_overrides({"data": data}, overrides)["data"]
    if asked["source"] != data["source"]:  # what was said about the old source alone says nothing about the new one
        data = keys_read_by(section_of(asked), data)
    return check_recipe(apply_overrides({"data": data}, overrides)).data


def _same_samples(encoder: FrozenEncoder, source: Source) -> bool:
    """Whether the encoder was pretrained on these samples; the same ones may lie elsewhere or be read otherwise."""
    seen = encoder.metadata["source"]
    return (seen["samples"], seen["classes"]) == (len(source), list(source.class_names))


def excluded_ids(encoder: nn.Module, data: LabelledData, exclude: Iterable[int] | Tensor | None = None) -> Tensor:
    """Samples that no split may use: those given, or the ones whose labels the encoder's online kNN saw.

    Args:
        encoder: with ``metadata``, whose ``monitor_ids`` count where ``exclude`` is None and there is no test part:
            labels of a training part may be looked at.
        data: what splits are drawn of.
        exclude: ids; ``()`` for an encoder that was pretrained on other data.

    Returns:
        (m,) int64, ascending.

    Raises:
        InputError: if samples are excluded, or were seen by the monitor, that the data does not have.
    """
    if exclude is not None:
        given = as_ids(exclude).unique()
        if len(given) and not 0 <= int(given[0]) <= int(given[-1]) < len(data):
            wrong = int(given[0] if given[0] < 0 else given[-1])
            raise InputError(
                f"exclude names {wrong}, but the samples are 0 to {len(data) - 1}: do the ids belong to other data?"
            )
        return given
    if data.test_source is not None:
        return as_ids(None)
    seen = as_ids(encoder.metadata.get("monitor_ids")).unique()  # type: ignore[union-attr, operator]
    if len(seen) and int(seen.max()) >= len(data):
        raise InputError(
            f"the encoder's online kNN saw the label of sample {int(seen.max())}, but {data.source.name} has "
            f"{len(data)} samples: it was pretrained on other data, so exclude nothing (exclude=())."
        )
    return seen


def same_samples(encoder: FrozenEncoder, source: Source) -> bool:
    """Whether pretraining saw these samples: of a scene the same pixels, whatever their labels are called.

    Files tell by their number and classes; a scene by its size, since another ground truth may lie on the same cube.
    """
    seen = encoder.metadata["source"]
    if isinstance(source, SceneSource):
        return seen["samples"] == len(source) and seen["patch_size"] is not None
    return (seen["samples"], seen["classes"]) == (len(source), list(source.class_names))


def as_tensor(value: T | Tensor | np.ndarray) -> T | Tensor:
    """A tensor without a graph for a tensor, numpy array or list; anything else as it is.

    Raises:
        InputError: if it does not hold real numbers.
    """
    if isinstance(value, list | tuple):
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "iufb":
            raise InputError(f"the array is of {value.dtype}: give numbers (classes as integers, -1 = unlabelled).")
        return torch.as_tensor(value, dtype=torch.int64 if value.dtype.kind in "iub" else None)
    if not isinstance(value, Tensor):
        return value
    if value.is_complex():
        raise InputError(f"the tensor is of {value.dtype}: give real numbers.")
    return value.detach()


def as_source(model: nn.Module | Tensor, samples: Source | Tensor) -> Source:
    """The samples to judge on: labels that come with features are those of images of one pixel.

    Args:
        model: an encoder, or features (N, dim).
        samples: a source, or with features the labels (N,), whole numbers.

    Raises:
        InputError: features and labels that do not fit, or an encoder without a source.
    """
    if isinstance(model, Tensor) and isinstance(samples, Tensor):
        if model.ndim != 2 or samples.shape != model.shape[:1] or not len(model):
            raise InputError(
                f"features are {tuple(model.shape)} and labels {tuple(samples.shape)}: give (N, dim) and (N,)."
            )
        if samples.is_floating_point() and not bool((samples == samples.round()).all()):
            odd = samples[samples != samples.round()][0]
            raise InputError(f"a class is {odd:g}: give classes as integers, -1 = unlabelled.")
        return TensorSource(model[:, :, None, None], samples.long(), name="features")
    if isinstance(model, Tensor) or isinstance(samples, Tensor):
        raise InputError("give an encoder with a source, or a matrix of features with its labels.")
    return samples
