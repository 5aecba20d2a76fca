"""Before an evaluation begins: what it will do, and about how long that takes, by a first batch and first steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import cast

from pydantic import JsonValue

from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.eval.judging import Drawn, of_training
from simclr.eval.metrics.structure import STRUCTURE, structure_units
from simclr.eval.open_set.kept import OPEN_SET
from simclr.eval.open_set.objectives import CROSS_FITTED, Job, as_pairs, kind_of
from simclr.eval.probes.end_to_end import FINE_TUNE, QUICK_SECONDS, SUPERVISED, training_steps
from simclr.eval.probes.learner import Lesson, LessonInputs
from simclr.eval.probes.learner_pace import pace_of
from simclr.eval.probes.learners import OWN_NETWORK, learner_of
from simclr.eval.probes.score import fit_units
from simclr.eval.probes.step_seconds import seconds_of_step
from simclr.eval.probes.tuned_classifier import FROM_SCRATCH, FineTuning
from simclr.eval.protocol import FewShotRequest, LinearRequest, Request
from simclr.eval.rehearsal import to_be_looked_at
from simclr.eval.results.episode_rows import EPISODES, episode_units
from simclr.eval.results.words import several
from simclr.eval.splits.split import Split
from simclr.eval.subject.baselines import CALIBRATIONS, unlabelled_ids
from simclr.eval.subject.features import seconds_of_batch, timed_samples
from simclr.eval.subject.representations import FEATURES
from simclr.eval.subject.subject import Subject
from simclr.eval.work.forecast import duration
from simclr.eval.work.work import FACTS, Work

SAID_FROM = 5.0
"""Seconds: an evaluation that takes less says nothing beforehand."""
WORTH_A_WORD = 1.0
"""Seconds: of parts that take less it is not said how long they take."""
REPRESENTATIONS = 5
"""About so many are judged on each split with unknown classes."""


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


def _expect_features(subject: Subject, request: Request, pixels: bool, work: Work) -> None:
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
    samples, seconds = timed_samples(source), partial(seconds_of_batch, encoder, source, subject.device)
    if samples < 1:
        return
    took = cast(float, of_training(subject, work).part(FACTS, seconds, what="seconds of a first batch"))
    work.forecast.tried(FEATURES, samples, took)
    work.forecast.tried(CALIBRATIONS, samples, took * len(unlabelled_ids(source)))


def expect_looks(subject: Subject, drawn: Drawn, request: Request, work: Work, pixels: bool = False) -> int:
    """Adds what every representation asks for: its features, and on its splits fits of all probes, scores and decisions
    about unknown classes, and in linear evaluation neighbours and clusters.

    Args:
        subject: what is judged.
        drawn: all splits.
        request: what is asked for.
        work: whose forecast.
        pixels: whether all pixels of a scene are looked at for a map.

    Returns:
        The number of fits.
    """
    _expect_features(subject, request, pixels, work)
    labels, fits = subject.data.labels, 0
    for width, mine in to_be_looked_at(subject, drawn, request.seeds):
        for split, probe in product(mine.closed, request.names):
            work.forecast.expect(probe, fit_units(labels[split.learned()], width))
            fits += 1
        for pair in mine.opened:
            work.forecast.expect(OPEN_SET, fit_units(labels[pair.open.learned()], width))
        if mine.closed and isinstance(request, LinearRequest):
            work.forecast.expect(STRUCTURE, structure_units(labels, mine.closed, width))
    return fits


def expect_episodes(subject: Subject, drawn: Drawn, each: int, work: Work) -> None:
    """Adds episodes, ``each`` so many of every representation; of random weights one seed's."""
    for width, _ in to_be_looked_at(subject, drawn, (0,)):
        work.forecast.expect(EPISODES, each * episode_units(width))


def expect_objectives(subject: Subject, drawn: Drawn, job: Job, work: Work) -> None:
    """Adds trainings under objectives on every split, by measured steps of each; what stands beside takes as long as
    unknown classes of frozen features do.
    """
    encoder, data = subject.encoder, subject.data
    pairs = as_pairs(*drawn)
    if not isinstance(encoder, FrozenEncoder) or not pairs or work.say is None:
        return
    pair = min(pairs, key=lambda one: len(one.open.train))
    ids = pair.open.learned()
    targets, inputs = data.labels[ids].unique(return_inverse=True)[1], LessonInputs(encoder, job.device)
    trainings = 1 + CROSS_FITTED * bool(job.thresholds and pair.unknown)
    work.forecast.expect(CALIBRATIONS, len({one.open.seed for one in pairs}))
    before = work.forecast.left(OPEN_SET)
    beside = before / (len(drawn.opened) * REPRESENTATIONS) if drawn.opened else 0.0
    for word in job.words:
        starts = (False,) if word in OWN_NETWORK else (True, False)
        kind = kind_of(word)
        work.forecast.expect(kind, len(pairs) * len(starts))
        lesson = Lesson(encoder, starts[0], inputs, data.source, ids, targets, pair.open.seed or 0, job.device)
        pace = pace_of(learner_of(word, job.options), lesson)
        if pace is not None:
            work.forecast.tried(kind, 1, trainings * pace.steps * pace.seconds + beside)


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
        if work.say is not None:
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
    forecast = work.forecast
    if work.say is None or forecast.left() < SAID_FROM:
        return
    n, seeds = len(subject.usable()), len(request.seeds)
    parts: list[tuple[str, float]] = []
    if subject.encoder is not None:
        seconds = forecast.left(FEATURES) + forecast.left(CALIBRATIONS)
        parts.append((f"features of {n:,} samples, {1 + seeds} times", seconds))
    seconds = sum(map(forecast.left, request.names))
    parts.append((f"{several(fits, 'fit')} of {', '.join(request.names)} on {_splits(drawn.closed)}", seconds))
    others = {STRUCTURE: "neighbours and clusters", OPEN_SET: f"unknown classes on {_splits(drawn.opened)}"}
    others |= {EPISODES: "episodes"}
    if isinstance(request, FewShotRequest):
        others |= {kind_of(word): f"training under {word}" for word in request.objectives}
    others |= {FINE_TUNE: "fine-tuning", SUPERVISED: "training from scratch"}
    parts += [(words, forecast.left(kind)) for kind, words in others.items() if forecast.expects(kind)]
    told = [f"{words} ({duration(seconds)})" if seconds >= WORTH_A_WORD else words for words, seconds in parts]
    work.say(f"to do: {'; '.join(told)}")
    rest = "" if forecast.is_whole else " or more; how long all of it takes is known after the first of each kind"
    work.say(f"it takes about {duration(forecast.left())}{rest}")


def _splits(found: Sequence[object]) -> str:
    return several(len(found), "split")
