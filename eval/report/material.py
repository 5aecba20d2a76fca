"""What a report is made of, typed: everything that a folder holds and a page can show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import NamedTuple

import numpy as np

from simclr.encoder_metadata import EncoderMetadata
from simclr.eval.results.distance_record import DistanceResult
from simclr.eval.results.record import Record, Result


class HealthLine(Record):
    """A line of metrics.jsonl: what pretraining logged at a step; what it did not log is None.

    Attributes:
        step: from 0.
        seconds: since the start, or since the run was resumed.
        loss: of the global batch.
        rankme, alignment, uniformity, contrastive_accuracy: of h and z, see ``simclr.train.health``.
        knn: accuracy of the online kNN, a fraction.
    """

    step: int
    seconds: float | None = None
    loss: float | None = None
    rankme: float | None = None
    alignment: float | None = None
    uniformity: float | None = None
    knn: float | None = None
    contrastive_accuracy: float | None = None

    @property
    def drawable(self) -> bool:
        """Whether there is a finite number in it."""
        numbers = self.loss, self.rankme, self.alignment, self.uniformity, self.knn, self.contrastive_accuracy
        return any(number is not None and isfinite(number) for number in numbers)


class Embedding(NamedTuple):
    """A map of samples: points (n, 2), classes (n,) ints from 0, and the classes' names."""

    points: np.ndarray
    labels: np.ndarray
    class_names: Sequence[str]


class Distance(NamedTuple):
    """How far two sets lie apart, and the PNG of it; None where there is none."""

    result: DistanceResult
    picture: bytes | None


@dataclass(frozen=True)
class Material:
    """What a report is made of; whatever is None is left out.

    Attributes:
        result: as of ``simclr linear-eval``.
        few_shot: as of ``simclr few-shot``.
        metrics: lines of metrics.jsonl.
        encoder: what the encoder says of itself.
        pictures: PNG bytes by caption; its part before a colon is the heading.
        views: PNG bytes of the views that the encoder was trained on.
        embedding: gives a map of the representation; called when all else is drawn.
        missing: what is not there, and how to get it; one sentence each.
        distance: as of ``simclr distance``.
    """

    result: Result | None = None
    few_shot: Result | None = None
    metrics: Sequence[HealthLine] | None = None
    encoder: EncoderMetadata | None = None
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    views: bytes | None = None
    embedding: Callable[[], Embedding] | None = None
    missing: Sequence[str] = ()
    distance: Distance | None = None
