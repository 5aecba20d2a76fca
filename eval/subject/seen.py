"""What pretraining saw of the samples that are judged: told by their content, wherever they lie in which order."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from simclr.data.content import SampleHashes
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder


class Seen(NamedTuple):
    """What is known of it.

    Attributes:
        own: whether the source holds the very samples that the encoder was pretrained on, each as often, in any order;
            None where nothing tells.
        samples: which of the data's samples pretraining saw, (N,) bool; None where that is not known.
        labelled: ids of those whose labels the online probe or fine-tuning saw, (m,) int64, ascending; None where that
            is not known.
    """

    own: bool | None
    samples: Tensor | None
    labelled: Tensor | None

    def seen_of(self, source: Source) -> int | None:
        """How many samples of the source pretraining saw; None where that is not known."""
        return None if self.samples is None else int(self.samples[: len(source)].sum())


def what_was_seen(encoder: nn.Module, source: Source, test_source: Source | None = None) -> Seen:
    """Compares the hashes that the encoder's file holds with those of the samples.

    A file of an older version holds none, and hashes of two kinds (a folder's files, an array's values) say nothing
    about each other: then number and classes tell whether the data may be its own, and nothing else is known.

    Args:
        encoder: as of ``simclr.load_encoder``.
        source, test_source: what is judged; ids count through both.
    """
    saw: SampleHashes | None = getattr(encoder, "saw", None)
    both = [part for part in (source, test_source) if part is not None]
    parts = [] if saw is None else [part.sample_hashes() for part in both]
    if saw is None or any(part.kind != saw.kind for part in parts):
        return Seen(may_be_own(encoder, source) if isinstance(encoder, FrozenEncoder) else None, None, None)
    assert isinstance(encoder, FrozenEncoder)  # it says what it saw
    hashes = torch.cat([part.values for part in parts])
    told = saw.values[[i for i in encoder.metadata.label_ids if i < len(saw.values)]]
    # A file of fine-tuning names what its start has seen behind its own samples.
    first = saw.values[: encoder.metadata.source.samples]
    own = torch.equal(first.sort().values, parts[0].values.sort().values)
    # 0 is the hash of what could not be read.
    samples, labelled = (torch.isin(hashes, known[known != 0]) for known in (saw.values, told))
    return Seen(own, samples, labelled.nonzero().flatten())


def may_be_own(encoder: FrozenEncoder, source: Source) -> bool | None:
    """Whether the encoder may have been pretrained on this source, for all that number and classes tell.

    None where its metadata say nothing.

    Of a scene its size does, since another ground truth may lie on the same cube.
    """
    seen = encoder.metadata.source
    if seen.samples is None:
        return None
    if isinstance(source, SceneSource):
        return seen.samples == len(source) and seen.patch_size is not None
    return (seen.samples, seen.classes) == (len(source), tuple(source.class_names))
