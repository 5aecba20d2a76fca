"""Before an evaluation begins: what it will do, and about how long that takes, by a first batch and first steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import torch
from pydantic import JsonValue

from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.eval.judging import Drawn, of_training
from simclr.eval.probes.end_to_end import FINE_TUNE, QUICK_SECONDS, SUPERVISED, seconds_of_step, training_steps
from simclr.eval.probes.tuned_classifier import FROM_SCRATCH, FineTuning
from simclr.eval.protocol import Request
from simclr.eval.results.words import several
from simclr.eval.splits.split import Split
from simclr.eval.subject.baselines import CALIBRATIONS, unlabelled_ids
from simclr.eval.subject.features import feature_batches
from simclr.eval.subject.representations import FEATURES
from simclr.eval.subject.subject import Subject
from simclr.eval.work.forecast import duration
from simclr.eval.work.work import FACTS, Work

FIRST, SECOND = 8, 32
"""Samples of the batch that warms up, and of the one that is timed where the first was quick."""
SAID_FROM = 5.0
"""Seconds: an evaluation that takes less says nothing beforehand."""


@dataclass(frozen=True)
class Trainings:
    """Trainings end to end of one kind.

    Attributes:
        name: as results call it.
        asked: whether they were asked for; None leaves them out where they take long.
        splits: to train on, each once.
        passes: over the steps of one.
    """

    name: str
    asked: bool | None
    splits: Sequence[Split]
    passes: int = 1

    @property
    def steps(self) -> int:
        """Of all of them."""
        return sum(self.passes * training_steps(len(split.learned())) for split in self.splits)


def expect_features(subject: Subject, request: Request, pixels: bool, work: Work) -> None:
    """Adds the extraction of features to what is to be done, with the time that a first small batch takes.

    Args:
        subject: what is judged.
        request: what is asked for.
        pixels: whether all pixels of a scene are looked at for a map.
        work: whose forecast.
    """
    encoder, source, seeds = subject.encoder, subject.data.source, len(request.seeds)
    if encoder is None:
        return
    n = len(subject.usable())
    more = 2 * (len(source) - n) if pixels and isinstance(source, SceneSource) else 0
    work.forecast.expect(FEATURES, n * (1 + seeds) + more)
    work.forecast.expect(CALIBRATIONS, seeds)
    samples, seconds = min(FIRST + SECOND, len(source)) - FIRST, partial(_seconds_of_batch, encoder, source, subject)
    if samples < 1:
        return
    took = cast(float, of_training(subject, work).part(FACTS, seconds, what="seconds of a first batch"))
    work.forecast.tried(FEATURES, samples, took)
    work.forecast.tried(CALIBRATIONS, samples, took * len(unlabelled_ids(source)))


def _seconds_of_batch(encoder: FrozenEncoder, source: Source, subject: Subject) -> float:
    """Of ``SECOND`` samples, behind ``FIRST`` that warm up."""
    batches = list(torch.arange(min(FIRST + SECOND, len(source))).split([FIRST, min(SECOND, len(source) - FIRST)]))
    times = [0.0]
    with suppress(InputError):  # what is wrong is said when all of them are looked at
        times = [time.perf_counter() for _ in feature_batches(encoder, source, batches, subject.device)]
    return times[-1] - times[0]


def expect_fits(subject: Subject, drawn: Drawn, request: Request, work: Work) -> int:
    """Adds the fits of all probes to what is to be done; how long they take is known after the first ones.

    Returns:
        Their number.
    """
    scene = isinstance(subject.data.source, SceneSource) and subject.data.test_source is None
    fixed, fits = 1 if subject.encoder is None else 3 + scene, 0
    for split in drawn.closed:
        twins = 0 if subject.encoder is None else 1 if split.seed in request.seeds else len(request.seeds)
        for probe in request.names:
            work.forecast.expect(probe, (fixed + twins) * len(split.learned()))
            fits += fixed + twins
    return fits


def expect_trainings(subject: Subject, trainings: Sequence[Trainings], work: Work) -> bool:
    """Adds trainings to what is to be done, with the time of one measured step; or leaves them out, where they are long
    and were not asked for, in one line.

    The time of the step is kept: an evaluation that goes on decides as it did.

    Returns:
        Whether to train.
    """
    encoder, source = subject.encoder, subject.data.source
    if not isinstance(encoder, FrozenEncoder) or not any(one.steps for one in trainings):
        return False
    largest = max((split for one in trainings for split in one.splits), key=lambda split: len(split.learned()))
    start, settings = encoder, FROM_SCRATCH
    if all(one.name == SUPERVISED for one in trainings):
        start = encoder.random_twin(0)
    elif any(one.name == FINE_TUNE for one in trainings):
        settings = FineTuning()
    settings = replace(settings, augment="recipe" in encoder.metadata)
    steps = sum(one.steps for one in trainings)
    name = " and ".join(one.name for one in trainings)
    measure = partial(_of_step, start, source, largest, settings, subject)
    kept = of_training(subject, work).part(FACTS, measure, what="seconds of a step", name=name, steps=steps)
    waited, alone = cast(list[float], kept)
    if trainings[0].asked is None and alone * steps > QUICK_SECONDS:
        ask, took = "--fine-tune" if start is encoder else "--supervised", duration(waited * steps)
        work.say(f"{name}: left out, since {several(steps, 'step')} take about {took}; {ask} asks for it")
        return False
    for one in trainings:
        work.forecast.expect(one.name, one.steps / one.passes)
        work.forecast.tried(one.name, 1, one.passes * waited)
    return True


def _of_step(
    start: FrozenEncoder, source: Source, split: Split, settings: FineTuning, subject: Subject
) -> list[JsonValue]:
    return list(seconds_of_step(start, source, split, settings, subject.device))


def announce(subject: Subject, drawn: Drawn, request: Request, fits: int, work: Work) -> None:
    """Says what will be done and how long it takes, unless that is quick.

    Args:
        subject, request, work: of the evaluation.
        drawn: its splits.
        fits: number of them.
    """
    if work.forecast.left() < SAID_FROM:
        return
    n, seeds = len(subject.usable()), len(request.seeds)
    parts = [f"{several(fits, 'fit')} of {', '.join(request.names)} on {several(len(drawn.closed), 'split')}"]
    if subject.encoder is not None:
        parts.insert(0, f"features of {n:,} samples ({duration(work.forecast.left(FEATURES))}), {1 + seeds} times")
    for name, words in ((SUPERVISED, "training from scratch"), (FINE_TUNE, "fine-tuning")):
        if seconds := work.forecast.left(name):
            parts.append(f"{words} ({duration(seconds)})")
    work.say(f"to do: {'; '.join(parts)}")
    rest = "" if work.forecast.is_whole else "; how long the fits take is known after the first"
    work.say(f"it takes about {duration(work.forecast.left())}{rest}")
