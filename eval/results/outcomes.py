"""What a probe made of every test sample: confusion counts for people, right or wrong for paired tests."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from simclr.errors import InputError
from simclr.eval.probes.score import Score
from simclr.eval.results.record import Outcome

MOST_CLASSES = 256
"""With more, no confusion counts are kept: a million numbers tell nobody anything."""


def outcomes(representation: str, found: Sequence[Score], classes: int) -> list[Outcome]:
    """One entry for each kind of split and number of shots.

    Args:
        representation: what was probed.
        found: scores of one probe.
        classes: how many the data has.

    Returns:
        Entries whose ``counts``, row = true class, column = predicted class, are added up over the splits (None beyond
        ``MOST_CLASSES``), and whose ``correct`` holds a text of :func:`pack` for each split, its test samples in
        ascending order.
    """
    table = []
    for key in dict.fromkeys((s.split.name, s.split.shots, s.split.share) for s in found):
        mine = [s for s in found if (s.split.name, s.split.shots, s.split.share) == key]
        few = classes <= MOST_CLASSES
        total = torch.zeros(classes if few else 0, classes if few else 0, dtype=torch.int64)
        for counts in (s.counts for s in mine if few and s.counts is not None):
            total[: len(counts), : len(counts)] += counts
        name, shots, share = key
        table.append(
            Outcome(
                representation=representation,
                probe=mine[0].probe,
                split=name,
                shots=shots,
                labels=share,
                counts=tuple(map(tuple, total.tolist())) if few else None,
                correct=tuple(pack(s.correct[s.split.test.argsort()]) for s in mine),
            )
        )
    return table


def pack(correct: Tensor) -> str:
    """(n,) bool as base64 of bits, the first sample in the highest bit of the first byte."""
    return base64.b64encode(np.packbits(correct.numpy()).tobytes()).decode("ascii")


def unpack(text: str, n: int) -> np.ndarray:
    """The (n,) bool of :func:`pack`.

    Raises:
        InputError: if the text is none of its kind, or is of another number of samples.
    """
    try:
        packed = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    except (binascii.Error, ValueError, TypeError):
        raise InputError("the result's list of right and wrong samples is damaged: evaluate again.") from None
    if len(packed) != -(-n // 8):
        raise InputError(f"the result's list of right and wrong samples is not of {n} samples: evaluate again.")
    return np.unpackbits(packed, count=n).astype(bool)
