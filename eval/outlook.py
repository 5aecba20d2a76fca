"""Before an evaluation begins: what it will do, and about how long that takes, by a first batch and first steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from simclr.data.scenes.scene import SceneSource
from simclr.encoder_file import FrozenEncoder
from simclr.eval.judging import Drawn, of_training
from simclr.eval.probes.end_to_end import FINE_TUNE, QUICK_SECONDS, SUPERVISED, seconds_of_step, training_steps
from simclr.eval.probes.tuned_classifier import FROM_SCRATCH, FineTuning
from simclr.eval.protocol import Request
from simclr.eval.results.words import several
from simclr.eval.splits.split import Split
from simclr.eval.subject.baselines import CALIBRATIONS, unlabelled_ids
from simclr.eval.subject.features import extract_features
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
    ids = torch.arange(len(source))
    seconds = samples = 0.0
    for some in (ids[:FIRST], ids[:SECOND]):
        started = time.perf_counter()
        extract_features(encoder, source, some, device=subject.device)
        seconds, samples = time.perf_counter() - started, float(len(some))
        if seconds > 1:
            break
    work.forecast.tried(FEATURES, samples, seconds)
    work.forecast.tried(CALIBRATIONS, samples, seconds * len(unlabelled_ids(source)))


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

    Whether they are left out is kept as a part: an evaluation that goes on stays with it.

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
    seconds = seconds_of_step(start, source, largest, settings, subject.device)
    steps = sum(one.steps for one in trainings)
    asked, name = trainings[0].asked, " and ".join(one.name for one in trainings)
    quick = of_training(subject, work).part(
        FACTS, lambda: seconds * steps <= QUICK_SECONDS, what="quick", name=name, steps=steps
    )
    if asked is None and not quick:
        work.say(f"{name}: {several(steps, 'step')} take about {duration(seconds * steps)}, and are left out")
        return False
    for one in trainings:
        work.forecast.expect(one.name, one.steps / one.passes)
        work.forecast.tried(one.name, 1, one.passes * seconds)
    return True


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
