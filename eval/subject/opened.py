"""A subject from an encoder file: its own data or other data, and where results belong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from simclr.data.open import open_source
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder, load_encoder
from simclr.errors import InputError
from simclr.eval.subject.feature_cache import FeatureCache
from simclr.eval.subject.feature_file import open_features
from simclr.eval.subject.seen import Seen, what_was_seen
from simclr.eval.subject.subject import Subject, subject_of
from simclr.recipe.data import Data
from simclr.recipe.encoder_path import FEATURES
from simclr.recipe.read import data_with

# Keys of the data section that leave the samples what they are.
_SAME_SAMPLES = ("unknown", "workers", "feed", "resident_limit", "download")


@dataclass(frozen=True)
class OpenedSubject:
    """An encoder file on the data of its own recipe or on other data, or features in files.

    Attributes:
        subject: what is judged.
        path: of the encoder or the features, as given.
        section: what the recipe says about the data.
        folder: where results belong.
    """

    subject: Subject
    path: Path
    section: Data
    folder: Path


def open_subject(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    output: Path | None = None,
    keep_features: bool = True,
    device: torch.device | None = None,
) -> OpenedSubject:
    """A subject from an encoder file, or from files of features.

    Args:
        path: encoder file or run folder, or features in a .npy or .npz file.
        overrides: ``data.KEY=VALUE``, applied to the data section that the encoder was pretrained with, or of features
            as in ``simclr.eval.subject.feature_file``.
        output: folder for results; None is the encoder's own, for its own data, and of features ``runs/NAME-features``.
        keep_features: in the folder ``features`` of the output, where those that are there are used.
        device: where encoders run; None is the best one there is.

    Raises:
        InputError: what was given does not fit together, or other data without a folder.
    """
    if path.suffix in FEATURES:
        features, said = open_features(path, overrides)
        return OpenedSubject(features, path, said, output or Path("runs", f"{path.stem}-features"))
    encoder = load_encoder(path)
    section = data_section(encoder, overrides)
    source, test_source = open_source(section), open_source(section, "test")
    assert source is not None
    if source.in_chans != encoder.preprocess.in_chans:
        raise InputError(
            f"the encoder takes {encoder.preprocess.in_chans} bands, but {source.name} has {source.in_chans}: "
            "judge it on data of the same bands"
        )
    if device is None and torch.accelerator.is_available():
        device = torch.accelerator.current_accelerator()
    device = device or torch.device("cpu")
    seen = what_was_seen(encoder, source, test_source)
    if output is None:
        _check_own(seen, source, overrides)
    folder = output or (path if path.is_dir() else path.parent)
    cache = FeatureCache(folder / "features" if keep_features else None)
    subject = subject_of(encoder.to(device), source, test_source, cache=cache, device=device, seen=seen)
    return OpenedSubject(subject, path, section, folder)


def _check_own(seen: Seen, source: Source, overrides: Sequence[str]) -> None:
    """Raises InputError unless the result is one of the encoder's own data, and may lie in its folder."""
    count = seen.seen_of(source)
    if not seen.own:
        some = f" ({count:,} of {len(source):,} samples are)" if count else ""
        raise InputError(
            f"{source.name} is not what the encoder was pretrained on{some}: give --output FOLDER for the result"
        )
    # Where content tells, the same samples may lie at another place.
    same = _SAME_SAMPLES if count is None else (*_SAME_SAMPLES, "path", "name")
    changed = [text for text in overrides if text.partition("=")[0].removeprefix("data.") not in same]
    if changed and count is None:
        raise InputError(
            f"{source.name} may be other data than the encoder was pretrained on: give --output FOLDER for the result"
        )
    if changed:
        raise InputError(f"{changed[0]} changes what is judged: give --output FOLDER for the result")


def data_section(encoder: FrozenEncoder, overrides: Sequence[str]) -> Data:
    """What the encoder's recipe says about data, with changes.

    Raises:
        InputError: an override of something else, or one that does not fit.
    """
    return data_with(encoder.metadata.data, overrides)
