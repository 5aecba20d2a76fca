"""This looks like that: test images of a prototype network, and the training images that speak for its decisions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

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

RIGHT, WRONG, _MOST = 4, 2, 5000


def draw_looks_like(subject: Subject, split: Split, path: Path, texts: Mapping[str, str]) -> str | None:
    """Draw some test images of a split, drawn at random among those decided rightly and wrongly.

    Args:
        subject: whose encoder has prototypes.
        split: whose test part the images are from.
        path: of the PNG.
        texts: for its text entries.

    Returns:
        Why nothing was drawn, if so.
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
    order = permutation(1, Stream.LIKENESS, len(drawn), "cpu")
    chosen = torch.cat([order[right[order]][:RIGHT], order[~right[order]][:WRONG]])
    try:
        training = _training_images(encoder, data.source)
        x = torch.cat([data.gather(drawn[[i]], inputs_of) for i in chosen.tolist()])
        explained = explain(layer, x, lambda ids: inputs_of(training, ids), encoder.preprocess)
    except InputError as error:
        return f"{path.name} is not drawn: {error}"
    share = 100 * right.double().mean().item()
    caption = (
        f"This looks like that. The prototypes take {share:.1f} % of {len(drawn):,} test images for what they are; "
        f"here are {int(right[chosen].sum())} of these, and {int((~right[chosen]).sum())} others, at random.\n"
        f"A box: the place that looks like the prototype's place in the training image beside it. The class with most "
        f"points is decided on."
    )
    about = list(zip(drawn[chosen].tolist(), truth[chosen].tolist()))
    draw_explained(explained, about, classes, path, caption, texts)
    return None


def _training_images(encoder: FrozenEncoder, judged: Source) -> Source:
    """What the prototypes are places of: the source that is judged, or that of the encoder's own recipe."""
    recorded = encoder.metadata.source
    if len(judged) == recorded.samples and judged.name == recorded.name:
        return judged
    opened = open_source(data_section(encoder, ()))
    if opened is None or len(opened) != recorded.samples:
        raise InputError(f"{recorded.name} is not the {recorded.samples} samples that the prototypes are places of")
    return opened
