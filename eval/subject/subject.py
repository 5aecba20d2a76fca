"""What is judged: an encoder or a matrix of features, the samples, and what pretraining has seen of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from eval.splits.labelled import LabelledData
from eval.splits.split import as_ids
from eval.subject.feature_cache import FeatureCache
from eval.subject.features import fingerprint
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source, TensorSource
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError

T = TypeVar("T", nn.Module, Source)


@dataclass(frozen=True)
class Subject:
    """What is judged, on what, and where.

    Attributes:
        model: an encoder as of ``simclr.load_encoder``, or features (N, dim), one row for each sample.
        data: the samples.
        excluded: ids that no split may use, (m,) int64, ascending.
        transductive: whether pretraining saw the test samples, without their labels; None = not known.
        cache: where features are kept.
        device: where encoders run.
    """

    model: FrozenEncoder | Tensor
    data: LabelledData
    excluded: Tensor
    transductive: bool | None = None
    cache: FeatureCache = field(default_factory=lambda: FeatureCache(None))
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def encoder(self) -> FrozenEncoder | None:
        """The encoder, None for features."""
        return None if isinstance(self.model, Tensor) else self.model

    @property
    def name(self) -> str:
        """What results call it."""
        return "features" if self.encoder is None else "pretrained"

    def fingerprint(self) -> str | None:
        """SHA-256 of an encoder's parameters and buffers, None for features."""
        return None if self.encoder is None else fingerprint(self.encoder)

    def usable(self) -> Tensor:
        """Ids of the samples that splits may use: labelled and not excluded, ascending, (M,) int64."""
        known = self.data.known()
        return known[~torch.isin(known, self.excluded)]


def subject_of(
    model: nn.Module | Tensor | np.ndarray,
    samples: Source | Tensor | np.ndarray,
    test_source: Source | None = None,
    *,
    exclude: Iterable[int] | Tensor | None = None,
    transductive: bool | None = None,
    cache: FeatureCache | None = None,
    device: torch.device | str = "cpu",
) -> Subject:
    """A subject from what a program holds.

    Args:
        model: an encoder as of ``simclr.load_encoder`` (with ``preprocess``, ``feature_dim``, ``metadata``,
            ``random_twin``), or features (N, dim) of any float type, in torch or numpy.
        samples: labelled samples, or with features the classes (N,), whole numbers, -1 = unlabelled.
        test_source: the test part, with the same classes.
        exclude: see :func:`excluded_ids`; of features None is none.
        transductive, cache, device: see :class:`Subject`.

    Raises:
        InputError: if these do not fit together, or as in ``LabelledData``.
    """
    given = as_tensor(model)
    check_patches(given, samples)
    data = LabelledData(as_source(given, as_tensor(samples)), test_source)
    excluded = excluded_ids(given, data, () if isinstance(given, Tensor) and exclude is None else exclude)
    return Subject(given, data, excluded, transductive, cache or FeatureCache(None), torch.device(device))  # type: ignore[arg-type]


def check_patches(model: object, samples: object) -> None:
    """Raises InputError where a scene's patches are of another size than those that an encoder was pretrained on."""
    if not isinstance(model, FrozenEncoder) or not isinstance(samples, SceneSource):
        return
    side = model.metadata.source.patch_size
    if side is not None and side != samples.patch_size:
        raise InputError(
            f"the encoder was pretrained on patches of {side}x{side} pixels, but those of {samples.name} are "
            f"{samples.patch_size}x{samples.patch_size}: set data.patch_size={side}, or pretrain on others."
        )


def excluded_ids(
    model: nn.Module | Tensor, data: LabelledData, exclude: Iterable[int] | Tensor | None = None
) -> Tensor:
    """Samples that no split may use: those given, or the ones whose labels the encoder's online kNN saw.

    Args:
        model: an encoder with ``metadata``, whose ``monitor_ids`` count where ``exclude`` is None and there is no test
            part: labels of a training part may be looked at.
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
    seen = as_ids(model.metadata.get("monitor_ids")).unique()  # type: ignore[union-attr, operator]
    if len(seen) and int(seen.max()) >= len(data):
        raise InputError(
            f"the encoder's online kNN saw the label of sample {int(seen.max())}, but {data.source.name} has "
            f"{len(data)} samples: it was pretrained on other data, so exclude nothing (exclude=())."
        )
    return seen


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
        samples: a source, or with features the labels (N,), whole numbers, negative = unlabelled.

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
        return TensorSource(model[:, :, None, None], samples.long().clamp(min=-1), name="features")
    if isinstance(model, Tensor) or isinstance(samples, Tensor):
        raise InputError("give an encoder with a source, or a matrix of features with its labels.")
    return samples
