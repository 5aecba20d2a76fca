"""Objectives on the few labels of each split, from the pretrained encoder and from random weights, judged alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from pydantic import JsonValue
from torch import Tensor

from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.eval.open_set.calibration import Calibration, alone_groups, calibrate
from simclr.eval.open_set.evaluate import OpenEntry, OpenTest, open_entries, open_test
from simclr.eval.open_set.kept import ENTRIES, seen_of_pair
from simclr.eval.open_set.metrics import UNKNOWN, open_scores
from simclr.eval.open_set.rejection import TAILS, reject, reject_by_class
from simclr.eval.open_set.scores import FOLDS_OF, LEAST_CLASSES, OPEN_SCORES, SCORE, Scored
from simclr.eval.open_set.thresholds import THRESHOLD, threshold
from simclr.eval.probes.learner import Learned, Lesson, LessonInputs, OwnScores
from simclr.eval.probes.learners import FROZEN, OWN_NETWORK, learner_of
from simclr.eval.probes.prediction import Selected
from simclr.eval.probes.score import score
from simclr.eval.probes.tuned_objective import ObjectiveOptions
from simclr.eval.splits.apart import SINGLE, Apart
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.open_split import OpenSplit
from simclr.eval.splits.split import Split
from simclr.eval.splits.validation import folds_of
from simclr.eval.subject.features import extract_features
from simclr.eval.work.journal import Part
from simclr.eval.work.work import Form, Work

STARTS = ("pretrained", "random")
CROSS_FITTED = 2
"""Parts of the training samples: each is scored by an encoder that was trained on the others."""


class ObjectiveFound(NamedTuple):
    """One objective on one split, or what was not trained at all.

    Attributes:
        objective: a word of ``simclr.eval.probes.learners``.
        start: what was trained: one of ``STARTS``.
        split: by ids of samples.
        entries: by score and threshold, and of the closed-set probe.
        score: the score that stands for the objective.
        selected: how it was trained.
    """

    objective: str
    start: str
    split: Split
    entries: Sequence[OpenEntry]
    score: str
    selected: Selected


class Halves(NamedTuple):
    """Parts of a split's training samples, for thresholds.

    A model of half of the samples finds the others stranger than one of all but a few does. By how much is seen on the
    features that learning begins at, which costs no training, and distances are scaled by it: what learns nothing has
    the thresholds of frozen features.

    Attributes:
        apart: what the split holds apart.
        fold: the part of each training sample, (n,) int64, -1 of one that is never left out.
        factors: by the name of a distance, its threshold where as little is left out as the split allows, over that by
            these parts; none of a score of which either is zero or infinite.
    """

    apart: Apart
    fold: Tensor
    factors: dict[str, float]


class Job(NamedTuple):
    """What is asked of :func:`compare_objectives`.

    Attributes:
        words: of the objectives.
        probe: of the closed set, a name of ``simclr.eval.probes.registry.PROBES``.
        thresholds: whether to train on parts of the training samples, too, for thresholds; three times the work.
        options: settings of objectives to be other than usual.
        device: where training runs.
    """

    words: Sequence[str]
    probe: str
    thresholds: bool = True
    options: ObjectiveOptions | None = None
    device: torch.device | str = "cpu"


def kind_of(word: str) -> str:
    """The kind of work that an objective is, in starts on one split."""
    return f"objectives: {word}"


def as_pairs(closed: Sequence[Split], opened: Sequence[OpenSplit]) -> list[OpenSplit]:
    """The splits that objectives are compared on: those with unknown classes, if there are any."""
    return list(opened) or [OpenSplit(split, split, ()) for split in closed]


def compare_objectives(
    encoder: FrozenEncoder,
    twin: Callable[[int], FrozenEncoder],
    data: LabelledData,
    pairs: Sequence[OpenSplit],
    job: Job,
    progress: Callable[[str, int, int], None],
    work: Work | None = None,
) -> list[ObjectiveFound]:
    """Trains every objective from both starts on every split, and judges what comes of it.

    A training sees samples and labels of its split's training part alone. The closed set are the known classes.

    Args:
        encoder: the pretrained one; it stays as it is.
        twin: gives the encoder with random weights of a seed.
        data: what the splits are of; training samples lie in ``data.source``.
        pairs: as of :func:`as_pairs`, by ids of samples.
        job: what is asked.
        progress: called with (what, splits done, all of them).
        work: keeps what is finished, in the scope of the encoder and the data.
    """
    work = work or Work()
    inputs, classes_of = LessonInputs(encoder, job.device), data.labels
    found: dict[int, list[ObjectiveFound]] = {}
    # Seeds outermost: a seed's views and random weights are made once.
    order = sorted(range(len(pairs)), key=lambda i: pairs[i].open.seed or 0)
    twins: dict[int, FrozenEncoder] = {}
    for done, i in enumerate(order):
        ids, seed = pairs[i].open.learned(), pairs[i].open.seed or 0
        if seed not in twins:
            twins = {seed: twin(seed)}
        targets = classes_of[ids].unique(return_inverse=True)[1]
        halves: dict[str, Halves] = {}
        for word in job.words:
            for start, begin in zip(STARTS, (encoder, twins[seed])):
                if word in OWN_NETWORK and begin is encoder:
                    continue
                progress(f"{kind_of(word)}, {start}", done, len(pairs))
                lesson = Lesson(begin, begin is encoder, inputs, data.source, ids, targets, seed, job.device)
                train = partial(_with_halves, halves, start, word, lesson, data, pairs[i], job)
                how: JsonValue = [word, start, job.probe, job.thresholds, seed, cast(JsonValue, job.options or {})]
                kept = _kept(word, start, pairs[i])
                one = work.part(kept, train, kind_of(word), 1, how=how, **seen_of_pair(pairs[i]))
                found.setdefault(i, []).append(one)
    return [one for i in range(len(pairs)) for one in found.get(i, [])]


def _kept(word: str, start: str, pair: OpenSplit) -> Form[ObjectiveFound]:
    """How one objective on one split is kept: without these three, which those who ask for it have."""

    def pack(one: ObjectiveFound) -> Part:
        return Part([ENTRIES.pack(list(one.entries)).facts, one.score, one.selected])

    def unpack(part: Part) -> ObjectiveFound:
        entries, score, selected = cast(Any, part.facts)
        return ObjectiveFound(word, start, pair.open, ENTRIES.unpack(Part(entries)), score, selected)

    return Form(pack, unpack)


def frozen_found(
    name: str, features: Tensor, labels: Tensor, pair: OpenSplit, entries: Sequence[OpenEntry], probe: str
) -> ObjectiveFound:
    """What features are worth that nothing was trained on.

    Args:
        name: of the representation.
        features: (N, dim).
        labels: (N,) int64.
        pair: ``open`` by rows of the features.
        entries: what was found of them with unknown classes.
        probe: of the closed set.
    """
    closed = _closed(features, labels, pair.open, pair.unknown, probe)
    return ObjectiveFound(FROZEN, name, pair.open, [closed, *entries], SCORE, {})


def _with_halves(
    halves: dict[str, Halves], start: str, word: str, lesson: Lesson, data: LabelledData, pair: OpenSplit, job: Job
) -> ObjectiveFound:
    """The same, with parts for thresholds that all objectives of a start share: made when the first one needs them."""
    if job.thresholds and pair.unknown and start not in halves:
        halves[start] = _halves(lesson, data, pair.apart or SINGLE)
    return _one(word, lesson, data, pair, job, halves.get(start))


def _one(
    word: str, lesson: Lesson, data: LabelledData, pair: OpenSplit, job: Job, halves: Halves | None
) -> ObjectiveFound:
    """Trains once, and once for each part that is left out, and judges."""
    learned = learner_of(word, job.options)(lesson)
    train, test = lesson.ids, pair.open.test
    used = torch.cat([train, test]).sort().values
    place = torch.full((len(data),), -1)
    place[used] = torch.arange(len(used))
    features, labels = data.gather(used, learned.features), data.labels[used]
    rows = replace(pair.open, train=place[train], test=place[test], validation=place[:0])
    entries = [_closed(features, labels, rows, pair.unknown, job.probe)]
    if pair.unknown:
        calibration = None if halves is None else _calibrate(word, lesson, data, job, halves)
        train_y = labels[rows.train]
        own = _own(learned, data, test)
        asked = open_test(labels, rows, pair.unknown)
        for scored in _all_scores(features[rows.train], train_y, features[rows.test], own, train_y.unique()):
            entries += open_entries(scored, asked, calibration)
        if learned.tail is not None:
            entries += _by_tail(learned, data, lesson, asked, test)
    start = STARTS[0 if lesson.pretrained else 1]
    return ObjectiveFound(word, start, pair.open, entries, learned.score or SCORE, learned.selected)


def _closed(features: Tensor, labels: Tensor, split: Split, unknown: Sequence[int], probe: str) -> OpenEntry:
    """The closed-set probe on the known classes of a split by rows."""
    known = ~torch.isin(labels[split.test], torch.tensor(list(unknown), dtype=torch.int64))
    (found,) = score(features, labels, [replace(split, test=split.test[known])], [probe])
    return OpenEntry(probe, None, {"closed_oa": found.metrics["oa"], "closed_aa": found.metrics["aa"]}, {})


def _all_scores(
    train_x: Tensor, train_y: Tensor, test_x: Tensor, own: OwnScores | None, classes: Tensor
) -> Iterator[Scored]:
    for by in OPEN_SCORES.values():
        yield by(train_x, train_y, test_x)
    if own is not None:
        yield classes[own.targets], own.unknownness


def _by_tail(learned: Learned, data: LabelledData, lesson: Lesson, asked: OpenTest, test: Tensor) -> list[OpenEntry]:
    """Decisions by the tail of a score of the training samples, of all classes and of each class by itself."""
    of_train, of_test = _own(learned, data, lesson.ids), _own(learned, data, test)
    assert of_train is not None
    assert of_test is not None
    assert learned.tail is not None
    errors = of_test.unknownness[learned.tail]
    known = of_train.unknownness[learned.tail], lesson.targets
    labels = data.labels[lesson.ids].unique()[of_test.targets]
    found = (reject(*known, errors), reject_by_class(*known, errors, of_test.targets))
    return [
        OpenEntry(learned.tail, kind, open_scores(asked.truth, labels.where(~rejection.rejected, UNKNOWN)), {})
        for kind, rejection in zip(TAILS, found)
    ]


def _halves(lesson: Lesson, data: LabelledData, apart: Apart) -> Halves:
    """Parts of whole groups where the split holds groups apart, if each leaves two classes to learn from."""
    labels = data.labels[lesson.ids]
    fold = folds_of(labels, CROSS_FITTED)
    if apart.groups is not None:
        by_group = apart.groups % CROSS_FITTED
        parts = by_group.unique().tolist()
        if len(parts) > 1 and all(len(labels[by_group != part].unique()) > 1 for part in parts):
            fold = by_group
    encoder, device = lesson.encoder, lesson.device
    x = data.gather(lesson.ids, lambda source, ids: extract_features(encoder, source, ids, device=device))
    factors: dict[str, float] = {}
    for way, by in OPEN_SCORES.items():
        if way in LEAST_CLASSES:  # no distance
            continue
        left_out = [fold == part for part in range(int(fold.max()) + 1)]
        halves = [by(x[~left], labels[~left], x[left])[1] for left in left_out]
        for name, value in calibrate(by, x, labels, apart, FOLDS_OF.get(way)).scores.items():
            few, many = (threshold(t, THRESHOLD)[0] for t in (value, torch.cat([half[name] for half in halves])))
            if 0 < few < torch.inf and many > 0:
                factors[name] = few / many
    return Halves(apart, fold, factors)


def _calibrate(word: str, lesson: Lesson, data: LabelledData, job: Job, halves: Halves) -> Calibration:
    """Unknownness of training samples by a learner that was trained on the other half, by the score's name."""
    learn, labels = learner_of(word, job.options), data.labels[lesson.ids]
    found: dict[str, list[Tensor]] = {}
    for part in range(int(halves.fold.max()) + 1):
        left = halves.fold == part
        classes, targets = labels[~left].unique(return_inverse=True)
        learned = learn(replace(lesson, ids=lesson.ids[~left], targets=targets))
        x = data.gather(lesson.ids, learned.features)
        own = _own(learned, data, lesson.ids[left])
        for _, values in _all_scores(x[~left], labels[~left], x[left], own, classes):
            for name, value in values.items():
                found.setdefault(name, []).append(value)
    factors = {} if word in OWN_NETWORK else halves.factors
    scores = {name: torch.cat(values) * factors.get(name, 1.0) for name, values in found.items()}
    apart = halves.apart
    if apart.groups is None:
        return Calibration(scores, apart.unit, len(labels), 0, apart.alike)
    units = int(apart.groups.max()) + 1
    return Calibration(scores, apart.unit, units, alone_groups(apart.groups, labels), apart.alike)


def _own(learned: Learned, data: LabelledData, ids: Tensor) -> OwnScores | None:
    """What a learner says itself of samples, which may lie in either part of the data."""
    if learned.own is None:
        return None
    ask, names = learned.own, dict[str, None]()

    def table(source: Source, some: Tensor) -> Tensor:
        said = ask(source, some)
        names.update(dict.fromkeys(said.unknownness))
        return torch.stack([said.targets.double(), *(value.double() for value in said.unknownness.values())], 1)

    targets, *values = data.gather(ids, table).unbind(1)
    return OwnScores(targets.long(), dict(zip(names, values)))
