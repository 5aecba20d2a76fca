"""How long a learner takes: its first steps are made and timed, and how many it would make is seen."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from simclr.data.class_order import ClassOrder
from simclr.errors import InputError
from simclr.eval.probes.learner import Learner, Lesson, LessonBatch, LessonInputs

STEPS = 4
"""Steps that are made; the first warms up."""


class Pace(NamedTuple):
    """Steps that a learner makes of a lesson, and seconds of one of them."""

    steps: int
    seconds: float


class _EnoughError(Exception):
    """Steps were seen."""


class _TimedInputs(LessonInputs):
    """Inputs that end a training after ``STEPS`` steps.

    Attributes:
        steps: that were asked for.
        drawing: seconds of one batch.
        times: when each step began, and the last one ended.
    """

    steps = 0
    drawing = 0.0

    def __init__(self, inputs: LessonInputs) -> None:
        super().__init__(inputs.encoder, inputs.device)
        self.times: list[float] = []

    def batches(self, lesson: Lesson, order: ClassOrder, steps: int, augment: bool) -> Iterable[LessonBatch]:
        self.steps = steps
        list(super().batches(lesson, order, 1, augment))  # warms up
        began = time.perf_counter()
        made = list(super().batches(lesson, order, min(steps, STEPS), augment))
        self.drawing = (time.perf_counter() - began) / len(made)

        def timed() -> Iterator[LessonBatch]:
            for batch in made:
                self.times.append(time.perf_counter())
                yield batch
            self.times.append(time.perf_counter())
            raise _EnoughError

        return timed()


def pace_of(learn: Learner, lesson: Lesson) -> Pace | None:
    """The pace of a learner on a lesson, whose encoder stays as it is.

    Args:
        learn: as of ``simclr.eval.probes.learners.learner_of``.
        lesson: what to learn.

    Returns:
        None of a learner that does not draw its batches from the lesson, or cannot learn from it.
    """
    inputs = _TimedInputs(lesson.inputs)
    with suppress(_EnoughError, InputError):
        learn(replace(lesson, inputs=inputs))
    if len(inputs.times) < 2:
        return None
    took = [after - before for before, after in pairwise(inputs.times)]
    return Pace(inputs.steps, min(took) + inputs.drawing)
