"""What can be trained on the few samples of a split and then asked about others: its lesson, and what it has learned.

A learner is a function of a `Lesson`. Objectives of ``simclr.losses.objectives`` are learners by their names
(``simclr.eval.probes.tuned_objective``); a system of another kind is one file with a function::

    def learn(lesson: Lesson, options: ObjectiveOptions | None = None) -> Learned:
        network = train_somehow(lesson.encoder, lesson.inputs, lesson.ids, lesson.targets, lesson.seed)
        return Learned(network.features, own=network.unknownness, score="reconstruction")

and one line in ``simclr.eval.probes.learners.LEARNERS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from simclr.data.class_order import ClassOrder
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.eval.probes.prediction import Selected
from simclr.views.encoder_inputs import Draw, augmented_inputs, plain_inputs

KEPT_LESSONS = 4
KEPT_BYTES = 2**25
"""Inputs of a lesson that are kept for the next learner, at most."""


class LessonBatch(NamedTuple):
    """Of one step: places among the lesson's ids, (b,) int64, and inputs of the encoder, (b, C, h, w)."""

    rows: Tensor
    x: Tensor


class LessonInputs:
    """Inputs of an encoder, and of its random twins, for many lessons: what does not differ is made once.

    Args:
        encoder: whose preprocessing and recipe.
        device: where inputs are made.
    """

    def __init__(self, encoder: FrozenEncoder, device: torch.device | str = "cpu") -> None:
        self.encoder, self.device = encoder, device
        self._plain: list[tuple[Source, Callable[[Tensor], Tensor]]] = []
        self._drawn: tuple[Source, int, Draw] | None = None
        self._batches: dict[tuple[object, ...], list[LessonBatch]] = {}

    def plain(self, source: Source) -> Callable[[Tensor], Tensor]:
        """ids (b,) -> inputs (b, C, h, w), without augmentation."""
        for known, inputs in self._plain:
            if known is source:
                return inputs
        self._plain.append((source, plain_inputs(self.encoder, source, self.device)))
        return self._plain[-1][1]

    def drawn(self, source: Source, seed: int) -> Draw:
        """(ids, step) -> views by the operations of the encoder's own recipe.

        Raises:
            InputError: as ``simclr.views.encoder_inputs.augmented_inputs``.
        """
        if self._drawn is None or self._drawn[0] is not source or self._drawn[1] != seed:
            self._drawn = source, seed, augmented_inputs(self.encoder, source, seed, self.device)
        return self._drawn[2]

    def batches(self, lesson: Lesson, order: ClassOrder, steps: int, augment: bool) -> Iterable[LessonBatch]:
        """The batches of a lesson. Every learner gets the same, so the last few lessons' are kept where they are small.

        Args:
            lesson: what to learn.
            order: of places among the lesson's ids.
            steps: how many.
            augment: draw views; a sample's second place in a batch has another.
        """
        source, ids, seed = lesson.source, lesson.ids, lesson.seed
        key = id(source), tuple(ids.tolist()), seed, order.classes_per_batch, order.samples_per_class, steps, augment
        if key in self._batches:
            return self._batches[key]
        plain, draw = self.plain(source), self.drawn(source, seed) if augment else None

        def made() -> Iterator[LessonBatch]:
            for step in range(steps):
                rows = order.at(step)
                address = ids[rows] + len(source) * order.occurrence(step)
                yield LessonBatch(rows, draw(ids[rows], step, address) if draw else plain(ids[rows]))

        one = plain(ids[:1])
        if steps * order.batch_size * one.numel() * one.element_size() > KEPT_BYTES:
            return made()
        while len(self._batches) >= KEPT_LESSONS:
            del self._batches[next(iter(self._batches))]
        self._batches[key] = list(made())
        return self._batches[key]


@dataclass(frozen=True)
class Lesson:
    """What a learner is given: nothing of it is changed.

    Attributes:
        encoder: to start from, with pretrained or random weights.
        pretrained: which of the two.
        inputs: of that encoder.
        source: where the samples are.
        ids: of those to learn from, (n,) int64.
        targets: their classes, (n,) int64 from 0 to K-1, each of which occurs.
        seed: of all that is drawn.
        device: where training runs.
    """

    encoder: FrozenEncoder
    pretrained: bool
    inputs: LessonInputs
    source: Source
    ids: Tensor
    targets: Tensor
    seed: int
    device: torch.device | str = "cpu"


class OwnScores(NamedTuple):
    """What a learner itself says of samples.

    Attributes:
        targets: class of each, (m,) int64, as in `Lesson.targets`.
        unknownness: by the name of the score, (m,) float64, larger for more unknown.
    """

    targets: Tensor
    unknownness: dict[str, Tensor]


@dataclass(frozen=True)
class Learned:
    """What came of a lesson.

    Attributes:
        features: (source, ids (m,)) -> (m, dim) float32 on the CPU.
        own: (source, ids) -> what the learner says itself; None of one that has nothing but features.
        score: the score, of its own or of ``simclr.eval.open_set.scores``, that stands for the learner in headlines;
            None is the usual one.
        tail: a score of its own that it rejects by, where it exceeds the tail of the training samples' own scores; see
            ``simclr.eval.open_set.rejection``.
        selected: how it was trained, fit for JSON.
    """

    features: Callable[[Source, Tensor], Tensor]
    own: Callable[[Source, Tensor], OwnScores] | None = None
    score: str | None = None
    tail: str | None = None
    selected: Selected = field(default_factory=dict)


Learner = Callable[[Lesson], Learned]
