"""This looks like that: test images of a prototype network, and the training images that speak for its decisions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from simclr.augment.addressed import permutation
from simclr.data.open import open_source
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.eval.splits.split import Split
from simclr.eval.streams import Stream
from simclr.eval.subject.features import extract_features
from simclr.eval.subject.opened import data_section
from simclr.eval.subject.subject import Subject
from simclr.models.prototypes import Prototyped
from simclr.views.likeness import explain
from simclr.views.likeness_picture import draw_explained

RIGHT, WRONG, _MOST = 4, 2, 10_000


class LooksLike(NamedTuple):
    """Whether a picture was drawn, and lines for the user: how often prototypes are right, and why there is none."""

    drawn: bool
    notes: list[str]


def draw_looks_like(subject: Subject, split: Split, path: Path, texts: Mapping[str, str]) -> LooksLike:
    """Draw some test images of a split, drawn at random among those decided rightly and wrongly.

    Args:
        subject: whose encoder has prototypes.
        split: whose test part the images are from.
        path: of the PNG.
        texts: for its text entries.
    """
    encoder, data = subject.encoder, subject.data
    assert encoder is not None
    layer = encoder.encoder
    assert isinstance(layer, Prototyped)
    classes = encoder.metadata.labels.classes
    numbers = {name: c for c, name in enumerate(classes)}
    known = [numbers.get(name, -1) for name in data.class_names]
    drawn = split.test[permutation(0, Stream.LIKENESS, len(split.test), "cpu")[:_MOST]].sort().values
    truth = torch.tensor(known)[data.labels[drawn]]

    def inputs_of(source: Source, ids: Tensor) -> Tensor:
        x: Tensor = encoder.preprocess(source[ids].to(subject.device), value_max=source.value_max)
        return x

    alike = data.gather(drawn, lambda source, ids: extract_features(encoder, source, ids, device=subject.device))
    decided = layer.logits(alike.to(layer.last.weight)).argmax(1).cpu()
    right = decided == truth
    share = f"{100 * right.double().mean().item():.1f} % of {len(drawn):,} test images for what they are"
    note = f"The prototypes take {share}, by their own points."
    order = permutation(1, Stream.LIKENESS, len(drawn), "cpu")
    chosen = torch.cat([order[right[order]][:RIGHT], order[~right[order]][:WRONG]])
    try:
        training = _training_images(encoder, data.source)
        x = torch.cat([data.gather(drawn[[i]], inputs_of) for i in chosen.tolist()])
        explained = explain(layer, x, lambda ids: inputs_of(training, ids), encoder.preprocess)
    except InputError as error:
        return LooksLike(False, [note, f"{path.name} is not drawn: {error}"])
    shown = int(right[chosen].sum())
    caption = (
        f"This looks like that. The prototypes take {share}; here are {shown} of these, and {len(chosen) - shown} "
        f"others, at random.\nA box: the place that looks like the prototype's place in the training image beside it. "
        f"The class with most points is decided on."
    )
    about = list(zip(drawn[chosen].tolist(), truth[chosen].tolist()))
    draw_explained(explained, about, classes, path, caption, texts)
    return LooksLike(True, [note])


def _training_images(encoder: FrozenEncoder, judged: Source) -> Source:
    """What the prototypes are places of: the source that is judged, or that of the encoder's own recipe."""
    recorded = encoder.metadata.source
    if len(judged) == recorded.samples and judged.name == recorded.name:
        return judged
    opened = open_source(data_section(encoder, ()))
    if opened is None or len(opened) != recorded.samples:
        raise InputError(f"{recorded.name} is not the {recorded.samples} samples that the prototypes are places of")
    return opened
