"""What a few labels are worth: k-shot probes, episodes, fine-tuning and unknown classes, on the very same splits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from typing_extensions import TypedDict, Unpack

from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.eval.judging import Drawn, Sight, circumstances, in_part, judge, of_training, silent
from simclr.eval.mapped import UnknownMap, unknown_map
from simclr.eval.metrics.registry import reported
from simclr.eval.open_set.evaluate import OpenEntry, open_set
from simclr.eval.open_set.kept import ENTRIES, OPEN_SET, seen_of_pair
from simclr.eval.open_set.objectives import Job, ObjectiveFound, as_pairs, compare_objectives, frozen_found
from simclr.eval.open_set.thresholds import REJECTED, TAIL
from simclr.eval.outlook import Trainings, announce, expect_episodes, expect_looks, expect_objectives, expect_trainings
from simclr.eval.probes.end_to_end import FINE_TUNE, QUICK_SECONDS, SUPERVISED, fine_tuned_scores, supervised_scores
from simclr.eval.probes.episodes import EpisodeShots, episode_shots
from simclr.eval.probes.score import Score, fit_units, score
from simclr.eval.probes.tuned_classifier import FineTuning, FineTuningOptions
from simclr.eval.probes.tuned_objective import ObjectiveOptions
from simclr.eval.protocol import FewShotRequest
from simclr.eval.rehearsal import Stage, rehearse
from simclr.eval.results.describe import describe_apart, describe_split, fewer_shots
from simclr.eval.results.episode_rows import episode_rows
from simclr.eval.results.objective_rows import objectives_record
from simclr.eval.results.record import EpisodeRow, FineTuned, Result, Skipped, Thresholds
from simclr.eval.results.result_file import as_json
from simclr.eval.results.rows import gaps, open_rows, paired, rows
from simclr.eval.splits.amounts import check_amounts
from simclr.eval.splits.open_split import OpenSplit, check_unknown, few_shot_splits
from simclr.eval.splits.split import Split
from simclr.eval.subject.baselines import calibrated_twin
from simclr.eval.subject.feature_cache import FeatureCache
from simclr.eval.subject.given import check_wordings
from simclr.eval.subject.representations import Progress
from simclr.eval.subject.rows import Matrix
from simclr.eval.subject.subject import Subject, subject_of
from simclr.eval.work.forecast import duration
from simclr.eval.work.work import Work
from simclr.models.head import ProjectionHead

PROTOCOL = "simclr-few-shot/5"
FEW = 20
"""Episodes that are run to see how long they take."""


class Asked(TypedDict, total=False):
    """What can be asked for: the fields of ``simclr.eval.protocol.FewShotRequest``."""

    splits: Sequence[str | Split]
    shots: Sequence[int] | None
    shares: Sequence[float]
    seeds: Sequence[int]
    probes: str | Sequence[str] | None
    standardise: bool
    ways: int | None
    queries: int | None
    episodes: int
    unknown: Sequence[int]
    unknown_classes: int
    conformal: bool
    fine_tune: bool | None
    fine_tune_seeds: int
    fine_tune_options: FineTuningOptions
    head: ProjectionHead | None
    objectives: Sequence[str]
    objective_thresholds: bool
    objective_options: ObjectiveOptions


class FewShotEvaluation(NamedTuple):
    """The result of a few-shot evaluation, and what draws a scene's map; None where no class is unknown."""

    result: Result
    unknown_map: UnknownMap | None


def few_shot(
    model: FrozenEncoder | Tensor | np.ndarray,
    samples: Source | Tensor | np.ndarray,
    test_source: Source | None = None,
    *,
    cache: FeatureCache | None = None,
    device: torch.device | str = "cpu",
    exclude: Iterable[int] | Tensor | None = None,
    transductive: bool | None = None,
    command: str | None = None,
    progress: Progress | None = None,
    **asked: Unpack[Asked],
) -> dict[str, Any]:
    """Few-shot evaluation of an encoder, beside random weights and the raw input, or of a matrix of features.

    Nothing is ever chosen on a test sample. A class with fewer than 2·k samples gives half of them (``eval.splits``).

    Args:
        model: an encoder as of ``simclr.load_encoder``, or features (N, dim) of any float type, in torch or numpy.
        samples: the labelled source, or with features the classes (N,): whole numbers, negative = unlabelled, or texts.
        test_source: the source's test part: training samples then come from the training part, test samples and
            episodes from this one.
        cache: where features are kept; None extracts them each time.
        device: where encoders run.
        exclude, transductive: as in :func:`simclr.eval.linear_eval.linear_eval`.
        command: to be kept in the result.
        progress: called with (what, done, all of it).
        asked: what is asked for: the fields of ``simclr.eval.protocol.FewShotRequest``, which says what each means.

    Returns:
        What ``few-shot.json`` holds: ``rows``, ``paired``, ``gaps``, ``episodes``, ``open_set``, ``objectives``,
        ``splits`` and how it was done.

    Raises:
        InputError: without labels, with too few classes or samples for what is asked, or NaN features; all but the
            last before any feature is extracted.
        RuntimeError: if the encoder changed during the evaluation.
    """
    request = FewShotRequest(**asked)
    check_wordings(progress, command)
    subject = subject_of(
        model, samples, test_source, exclude=exclude, transductive=transductive, cache=cache, device=device
    )
    if subject.encoder is None:  # the caller's own numbers of classes
        request = replace(request, unknown=subject.data.labels_called(request.unknown))
    return as_json(evaluate_few_shot(subject, request, command, progress or silent).result)


def evaluate_few_shot(
    subject: Subject,
    request: FewShotRequest,
    command: str | None = None,
    report: Progress = silent,
    work: Work | None = None,
) -> FewShotEvaluation:
    """The evaluation under :func:`few_shot`, from a subject and a request.

    Args:
        subject: what is judged.
        request: what is asked for.
        command: to be kept in the result.
        report: called with (what, done, all of it).
        work: keeps what is finished.

    Raises:
        InputError, RuntimeError: as in :func:`few_shot`.
    """
    work = work or Work()
    # Whatever is wrong is found before the long extraction.
    data, encoder = subject.data, subject.encoder
    FineTuning(**request.fine_tune_options)
    check_unknown(data, request.unknown, request.unknown_classes)
    check_amounts(data.without(request.unknown), request.kinds, request.shots or (), request.shares, subject.excluded)
    take_part = _of_episodes(subject, request)
    free = data.labels.where(take_part, -1)
    chosen = episode_shots(free, request.ways, request.few, request.queries) if request.episodes else None
    found: dict[str, list[Score]] = {}
    open_found: list[tuple[str, Split, list[OpenEntry]]] = []
    episodes: list[EpisodeRow] = []
    frozen: list[ObjectiveFound] = []
    trained: list[ObjectiveFound] = []
    tunes = request.fine_tune
    if tunes is None:
        tunes = encoder is not None and isinstance(data.source, SceneSource)
    trains = False
    how = request.objective_thresholds, request.objective_options, subject.device
    job = Job(request.objectives, request.headline, *how)

    def draw() -> Drawn:
        amounts = {"shots": request.shots, "shares": request.shares, "seeds": request.seeds}
        strangers = {"unknown": request.unknown, "unknown_classes": request.unknown_classes}
        return Drawn(*few_shot_splits(data, request.kinds, exclude=subject.excluded, **amounts, **strangers))  # type: ignore[arg-type]

    fit = partial(score, probes=request.names, standardise=request.standardise)

    def decide(features: Matrix, y: Tensor, pair: OpenSplit, kept: Work) -> list[OpenEntry]:
        run = partial(open_set, features, y, pair, request.conformal)
        seen = {**seen_of_pair(pair), "conformal": request.conformal}
        units = fit_units(y[pair.open.learned()], features.shape[1])
        return kept.part(ENTRIES, run, OPEN_SET, units, what=OPEN_SET, **seen)

    def measure(sight: Sight) -> None:
        name, seed, features, _ = sight.representation
        show = in_part(report, f"probes: {name}")
        closed, y, kept = sight.drawn.closed, sight.labels, sight.work
        scores = fit(features, y, closed, progress=show, seed=seed, work=kept)
        found.setdefault(name, []).extend(scores)
        entries: list[list[OpenEntry]] = []
        for i, pair in enumerate(sight.drawn.opened):
            report(f"unknown classes: {name}", i, len(sight.drawn.opened))
            entries.append(decide(features, y, pair, kept))
            open_found.append((name, pair.open, entries[-1]))
        if request.objectives and encoder is not None:
            pairs = as_pairs(*sight.drawn)
            assert isinstance(features, Tensor)  # an encoder's
            for pair, of_pair in zip(pairs, entries or [[] for _ in pairs]):
                frozen.append(frozen_found(name, features, y, pair, of_pair, request.headline))
        if chosen is not None and seed in (None, request.seeds[0]):
            report(f"episodes: {name}", 0, 1)
            usable = y.where(take_part[sight.ids], -1)
            episodes.extend(episode_rows(name, features, usable, chosen, request, data.class_names, kept))

    def try_out(stage: Stage, tried: Work) -> None:
        fit(stage.features, stage.labels, stage.drawn.closed, work=tried)
        for pair in stage.drawn.opened:
            decide(stage.features, stage.labels, pair, tried)
        if chosen is not None:
            few = replace(request, episodes=FEW)
            episode_rows("", stage.features, stage.labels, chosen, few, data.class_names, tried)

    def expect(drawn: Drawn) -> None:
        nonlocal trains
        fits = expect_looks(subject, drawn, request, work)
        if chosen is not None:
            expect_episodes(subject, drawn, len(chosen.shots) * request.episodes, work)
        rehearse(subject, drawn, try_out, work)
        expect_objectives(subject, drawn, job, work)
        if tunes and encoder is not None:
            on = request.tuned_on(drawn.closed)
            both = [Trainings(FINE_TUNE, request.fine_tune, on, 2), Trainings(SUPERVISED, request.fine_tune, on)]
            trains = expect_trainings(subject, both, work)
        announce(subject, drawn, request, fits, work)

    def train(drawn: Drawn) -> None:
        kept = of_training(subject, work)
        if request.objectives and encoder is not None:
            twin = partial(calibrated_twin, encoder, source=data.source, device=subject.device, work=kept)
            trained.extend(compare_objectives(encoder, twin, data, as_pairs(*drawn), job, report, kept))
        if not trains or encoder is None:
            return
        on = request.tuned_on(drawn.closed)
        where = request.head, subject.device, in_part(report, FINE_TUNE), kept
        found["pretrained"] += fine_tuned_scores(encoder, data, on, *where, **request.fine_tune_options)
        beside = request.tuned_seeds, subject.device, in_part(report, SUPERVISED), kept
        found[SUPERVISED] = supervised_scores(encoder, data, on, *beside)

    judged = judge(subject, request.seeds, draw, measure, train, report, work, expect)
    closed, opened = judged.drawn
    table, names = rows(found, reported(few_or_scene=True)), data.class_names
    result = Result(
        **circumstances(subject, request, judged, command),
        protocol=_protocol(closed, request, chosen, [names[c] for c in request.unknown]),
        rows=tuple(table),
        paired=tuple(paired(table, request.headline)) if request.headline == request.usual_headline else (),
        gaps=tuple(gaps(table)),
        episodes=tuple(episodes),
        open_set=tuple(open_rows(open_found)),
        selected_on="training samples only (ridge: leave-one-out; thresholds: held-out training samples; "
        "fine-tuning: number of steps on a validation part of the training samples)",
        interval="paired: 95 % Student t over seeds; episodes: mean ± 1.96·sd/√episodes",
        skipped=tuple(_skipped(request, chosen, tunes and not trains, of_features=encoder is None)),
        fewer_shots=tuple(fewer_shots(closed, data)),
        splits=(
            *(describe_split(split, data, ()) for split in closed),
            *(describe_split(pair.open, data, pair.unknown) for pair in opened),
        ),
        thresholds=Thresholds(
            rejected=REJECTED,
            tail=TAIL,
            fitted_on="training samples scored by a subject that has not seen them",
            left_out=describe_apart(opened),
        ),
        fine_tune=FineTuned(seeds=request.tuned_seeds) if trains else None,
    )
    if trained:
        compared = objectives_record(trained, frozen, request.headline)
        result = result.model_copy(update={"objectives": compared})
    return FewShotEvaluation(result, unknown_map(subject, opened, open_found))


def _of_episodes(subject: Subject, request: FewShotRequest) -> Tensor:
    """Which samples episodes are drawn from, (N,) bool: of known classes, of the test part where there is one."""
    data = subject.data
    found = ~torch.isin(data.labels, torch.tensor(list(request.unknown), dtype=torch.int64))
    found[subject.excluded] = False
    found[: 0 if data.test_source is None else len(data.source)] = False
    return found


def _skipped(request: FewShotRequest, chosen: EpisodeShots | None, untuned: bool, of_features: bool) -> list[Skipped]:
    """What was asked for and cannot be."""
    found = [] if chosen is None else [Skipped(what=what, why=why) for what, why in chosen.skipped]
    if (request.unknown or request.unknown_classes) and min(request.few, default=2) < 2:
        found.append(Skipped(what="unknown classes at 1 shot", why="a threshold needs a sample that is left out"))
    if untuned:
        slow = f"it takes longer than {duration(QUICK_SECONDS)} here: --fine-tune does it all the same"
        found.append(Skipped(what=FINE_TUNE, why="features cannot be trained" if of_features else slow))
    if request.objectives and of_features:
        found.append(Skipped(what="objectives", why="features cannot be trained"))
    return found


def _protocol(
    closed: Sequence[Split], request: FewShotRequest, chosen: EpisodeShots | None, unknown: Sequence[str]
) -> str:
    """A short text that is the same for two results exactly where they were made in the same way."""
    kinds, shots, shares = (
        ",".join(dict.fromkeys(str(value) for value in values if value)) or "-"
        for values in ((s.name for s in closed), (s.shots for s in closed), (s.share for s in closed))
    )
    drawn = f"{chosen.ways}-way,{chosen.queries}-query,{request.episodes}" if chosen else "-"
    return (
        f"{PROTOCOL} split={kinds} shots={shots} labels={shares} "
        f"standardise={'yes' if request.standardise else 'no'} seeds={','.join(map(str, request.seeds))} "
        f"probes={','.join(request.names)} episodes={drawn} unknown={','.join(unknown) or request.unknown_classes}"
        f"{' conformal' * request.conformal}"
        f"{' objectives=' + ','.join(request.objectives) if request.objectives else ''}"
    )
