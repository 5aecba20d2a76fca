"""What is judged: an encoder or a matrix of features, the samples, and what pretraining has seen of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from simclr.augment.checks import shown
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.encoder_metadata import EncoderMetadata
from simclr.errors import InputError
from simclr.eval.splits.amounts import check_switch
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.split import as_ids
from simclr.eval.subject.feature_cache import FeatureCache
from simclr.eval.subject.features import fingerprint
from simclr.eval.subject.given import device_of, ids_of, model_of, source_of
from simclr.eval.subject.rows import Matrix, Rows
from simclr.eval.subject.seen import Seen, what_was_seen


@dataclass(frozen=True)
class Subject:
    """What is judged, on what, and where.

    Attributes:
        model: an encoder as of ``simclr.load_encoder``, or features (N, dim), one row for each sample, in memory or on
            disk.
        data: the samples.
        excluded: ids that no split may use, (m,) int64, ascending.
        transductive: whether pretraining saw the test samples, without their labels, as the caller says; None leaves it
            to ``seen``.
        cache: where features are kept.
        device: where encoders run.
        seen: what the encoder's file says that pretraining saw; None for features.
        excluded_by_id: whether the caller says what is excluded, and not the labels that the encoder has seen.
    """

    model: FrozenEncoder | Matrix
    data: LabelledData
    excluded: Tensor
    transductive: bool | None = None
    cache: FeatureCache = field(default_factory=lambda: FeatureCache(None))
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    seen: Seen | None = None
    excluded_by_id: bool = False

    @property
    def encoder(self) -> FrozenEncoder | None:
        """The encoder, None for features."""
        return None if isinstance(self.model, Tensor | Rows) else self.model

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
    seen: Seen | None = None,
) -> Subject:
    """A subject from what a program holds.

    Args:
        model: an encoder as of ``simclr.load_encoder`` (with ``preprocess``, ``feature_dim``, ``metadata``,
            ``random_twin``), or features (N, dim) of any float type, in torch or numpy; those of ``numpy.load(file,
            mmap_mode="r")`` stay on disk.
        samples: labelled samples, or with features the classes (N,): whole numbers, negative = unlabelled, or texts.
        test_source: the test part, with the same classes.
        exclude: see :func:`excluded_ids`; of features None is none.
        transductive, cache, device: see :class:`Subject`.
        seen: as of ``simclr.eval.subject.seen.what_was_seen``, where it is known already.

    Raises:
        InputError: if these do not fit together, one is of a wrong kind, there is no such device, or as in
            ``LabelledData``.
    """
    given, where = model_of(model), device_of(device)
    check_switch("transductive", transductive)
    if cache is not None and not isinstance(cache, FeatureCache):
        raise InputError(f"cache is {shown(cache)}: give FeatureCache(folder) of eval.subject.feature_cache, or None.")
    if test_source is not None and (isinstance(given, Tensor | Rows) or not isinstance(test_source, Source)):
        raise InputError(
            "test_source is a source beside an encoder's: with features, give splits=[given(train, test)]."
        )
    check_patches(given, samples)
    data = LabelledData(source_of(given, samples), test_source)
    if seen is None and isinstance(given, nn.Module):
        seen = what_was_seen(given, data.source, test_source)
    excluded = excluded_ids(given, data, () if seen is None and exclude is None else exclude, seen)
    kept, by_id = cache or FeatureCache(None), exclude is not None
    subject = Subject(given, data, excluded, transductive, kept, where, seen, by_id)  # type: ignore[arg-type]
    if exclude is None and not len(subject.usable()):
        raise InputError(
            f"the encoder has seen the label of every sample of {data.source.name}: judge it on other data, or "
            f"fine-tune with fewer labels (labels.shots, labels.share)."
        )
    return subject


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
    model: nn.Module | Matrix,
    data: LabelledData,
    exclude: Iterable[int] | Tensor | None = None,
    seen: Seen | None = None,
) -> Tensor:
    """Samples that no split may use: those given, or the ones whose labels the encoder has seen.

    Labels of a training part may be looked at: where there is a test part, only its own samples are left out.

    Args:
        model: an encoder with ``metadata``. Where it does not know its samples by content, its ``label_ids`` count
            as ids, unless it is known to be pretrained on other data or there is a test part.
        data: what splits are drawn of.
        exclude: ids, or a mask of all samples; ``()`` leaves nothing out.
        seen: what the encoder saw of the data.

    Returns:
        (m,) int64, ascending.

    Raises:
        InputError: if samples are excluded, or had their labels seen, that the data does not have.
    """
    if exclude is None and seen is not None and seen.labelled is not None:
        return seen.labelled[seen.labelled >= (0 if data.test_source is None else len(data.source))]
    if exclude is not None:
        return ids_of(exclude, len(data), "exclude")
    if data.test_source is not None or (seen is not None and seen.own is False):
        return as_ids(None)
    told = as_ids(EncoderMetadata(model.metadata).label_ids).unique()  # type: ignore[union-attr, arg-type]
    if len(told) and int(told.max()) >= len(data):
        raise InputError(
            f"the encoder has seen the label of sample {int(told.max())}, but {data.source.name} has "
            f"{len(data)} samples: it was pretrained on other data, so exclude nothing (exclude=())."
        )
    return told
