"""Linear evaluation: a frozen representation, its baselines on the very same splits, and the paired differences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import TypedDict, Unpack

from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.eval.judging import Drawn, Sight, circumstances, in_part, judge, of_training, silent
from simclr.eval.mapped import MAPPED, Mapped, classify_pixels, mapped_splits
from simclr.eval.metrics.registry import reported, structural
from simclr.eval.metrics.structure import POLICY, Structure, structure
from simclr.eval.outlook import Trainings, announce, expect_looks, expect_trainings
from simclr.eval.probes.end_to_end import QUICK_SECONDS, SUPERVISED, SUPERVISED_MOST, supervised_scores
from simclr.eval.probes.registry import PROBES
from simclr.eval.probes.score import Score, score
from simclr.eval.protocol import LinearRequest
from simclr.eval.rehearsal import Stage, rehearse
from simclr.eval.results.describe import describe_split, fewer_shots
from simclr.eval.results.outcomes import outcomes
from simclr.eval.results.record import Result, Skipped
from simclr.eval.results.result_file import as_json
from simclr.eval.results.rows import class_recalls, gaps, paired, rows
from simclr.eval.results.subject_record import Facts
from simclr.eval.splits.amounts import check_amounts
from simclr.eval.splits.draw import default_kinds, draw_splits
from simclr.eval.splits.split import Split
from simclr.eval.splits.validation import FIXED
from simclr.eval.subject.baselines import unlabelled_ids
from simclr.eval.subject.feature_cache import FeatureCache
from simclr.eval.subject.given import check_wordings
from simclr.eval.subject.representations import Progress
from simclr.eval.subject.rows import in_memory
from simclr.eval.subject.subject import Subject, subject_of
from simclr.eval.work.forecast import duration
from simclr.eval.work.work import Work

PROTOCOL = "simclr-linear-eval/6"


class Asked(TypedDict, total=False):
    """What can be asked for: the fields of ``simclr.eval.protocol.LinearRequest``."""

    splits: Sequence[str | Split] | None
    shots: Sequence[int] | None
    shares: Sequence[float]
    seeds: Sequence[int]
    probes: str | Sequence[str] | None
    standardise: bool
    validation: float
    supervised: bool | None
    all_penalties: bool


class LinearEvaluation(NamedTuple):
    """The result of a linear evaluation, the splits it is of, and what draws a scene's map.

    Attributes:
        result: what ``result.json`` holds.
        splits: by ids of samples, in the order of the result.
        maps: of each kind of split, and its first seed, the split with the most training samples; none for no scene,
            and where none are asked for.
    """

    result: Result
    splits: list[Split]
    maps: list[Mapped]


def linear_eval(
    model: nn.Module | Tensor | np.ndarray,
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
    """How good a frozen encoder, or a matrix of features, is: the function under ``simclr linear-eval``.

    An encoder stands beside what it must beat, all on the same splits, seed by seed: ``random``, the same architecture
    with fresh weights for each seed and BatchNorm statistics of the inputs; ``raw`` input; its ``pca``; for scenes the
    ``window mean``; and ``supervised``, the architecture trained from scratch on each split's training labels. Nothing
    is ever chosen on a test sample.

    Args:
        model: an encoder as of ``simclr.load_encoder`` (with ``preprocess``, ``feature_dim``, ``metadata``,
            ``random_twin``), or features (N, dim) of any float type, in torch or numpy; those of ``numpy.load(file,
            mmap_mode="r")`` stay on disk.
        samples: labelled samples to draw training (and, without ``test_source``, test) samples from, or with features
            the classes (N,): whole numbers, negative = unlabelled, or texts.
        test_source: the test part, with the same classes.
        cache: where features are kept; None extracts them each time.
        device: where encoders run.
        exclude: ids of ``samples`` that no split may use, or a mask; None is those whose labels the encoder's online
            kNN saw, known by their content (``simclr.eval.subject.seen``); ``()`` leaves nothing out.
        transductive: whether pretraining saw the test samples (without their labels); None is what their content tells.
        command: to be kept in the result.
        progress: called with (what, done, all of it).
        asked: what is asked for. ``splits``: words of ``eval.splits.draw.draw_splits``: ``random``, ``block``, files,
            or splits; None is random, and for a scene block as well. ``shots``: k a class; None is ``SCENE_SHOTS`` for
            a scene and no few-shot split otherwise. ``shares``: of each class's labels. ``seeds``: five. ``probes``:
            names of ``eval.probes.registry.PROBES``; None is ``DEFAULT_PROBES``. ``standardise``, ``validation``,
            ``supervised``, ``all_penalties``: see ``simclr.eval.protocol.LinearRequest``.

    Returns:
        What ``result.json`` holds: ``rows``, ``paired`` differences, ``gaps`` between random and block splits,
        ``per_class`` recall, ``outcomes`` for the headline probe on what is judged, ``splits``, and how it was done.
        A row is one measurement: ``representation``, ``probe``, ``shots``, ``labels``, ``split``, ``metric``, ``mean``,
        ``sd``, ``per_seed`` and ``selected``. Metrics are those of ``eval.metrics.registry``, ``oa`` being called
        ``accuracy`` for whole splits of photographs.

    Raises:
        InputError: without labels, with unfit classes, splits, shots, shares, seeds or probes, before any feature is
            extracted; or NaN features.
        RuntimeError: if the encoder changed while features were extracted.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> pixels, classes = (torch.tensor(part) for part in load_digits(return_X_y=True))
        >>> result = linear_eval(pixels.float(), classes, shots=[10], seeds=[0, 1], probes=["ridge"])
        >>> [round(row["mean"], 2) for row in result["rows"] if row["metric"] == "oa"]
        [0.85]
    """
    request = LinearRequest(**asked)
    check_wordings(progress, command)
    subject = subject_of(
        model, samples, test_source, exclude=exclude, transductive=transductive, cache=cache, device=device
    )
    return as_json(evaluate_linear(subject, request, command, progress or silent).result)


def evaluate_linear(
    subject: Subject,
    request: LinearRequest,
    command: str | None = None,
    report: Progress = silent,
    work: Work | None = None,
    maps: bool = False,
) -> LinearEvaluation:
    """The evaluation under :func:`linear_eval`, from a subject and a request.

    Args:
        subject: what is judged.
        request: what is asked for.
        command: to be kept in the result.
        report: called with (what, done, all of it).
        work: keeps what is finished.
        maps: whether to classify a scene's pixels for maps.

    Raises:
        InputError, RuntimeError: as in :func:`linear_eval`.
    """
    work = work or Work()
    # Whatever is wrong is found before the long extraction.
    data, encoder = subject.data, subject.encoder
    if request.supervised and encoder is None:
        raise InputError("features cannot be trained from scratch: give an encoder, or leave supervised out.")
    kinds = default_kinds(data.source, data.test_source) if request.splits is None else request.splits
    check_amounts(data, kinds, request.shots or (), request.shares, subject.excluded)
    found: dict[str, list[Score]] = {}
    geometry: dict[str, list[Structure]] = {}
    drawn_maps: dict[str, dict[str, Tensor]] = {}
    skipped: list[Skipped] = []
    repeated: int | None = None
    trains = False

    def draw() -> Drawn:
        amounts = {"shots": request.shots, "shares": request.shares, "validation": request.validation}
        return Drawn(draw_splits(data, kinds, seeds=request.seeds, exclude=subject.excluded, **amounts), [])  # type: ignore[arg-type]

    fit = partial(score, probes=request.names, standardise=request.standardise, all_penalties=request.all_penalties)

    def measure(sight: Sight) -> None:
        nonlocal repeated
        name, seed, features, _ = sight.representation
        watch = classify_pixels(subject, request, sight, report) if maps else None
        show, closed = in_part(report, f"probes: {name}"), sight.drawn.closed
        scores = fit(features, sight.labels, closed, progress=show, watch=watch, seed=seed, work=sight.work)
        for one in scores:
            if one.beside is not None:
                drawn_maps.setdefault(one.split.name, {})[MAPPED[name]] = one.beside
        found.setdefault(name, []).extend(scores)
        geometry.setdefault(name, []).extend(structure(features, sight.labels, sight.drawn.closed, seed, sight.work))
        if name == "raw" and data.test_source is not None:
            repeated = _repeated(in_memory(features, "the raw input"), sight.drawn.closed[0])

    def try_out(stage: Stage, tried: Work) -> None:
        fit(stage.features, stage.labels, stage.drawn.closed, work=tried)
        structure(stage.features, stage.labels, stage.drawn.closed, work=tried)

    def expect(drawn: Drawn) -> None:
        nonlocal trains
        fits = expect_looks(subject, drawn, request, work, maps)
        rehearse(subject, drawn, try_out, work)
        trains = _trains(subject, request, drawn, skipped, work)
        announce(subject, drawn, request, fits, work)

    def train(drawn: Drawn) -> None:
        if trains and encoder is not None:
            kept, show = of_training(subject, work), in_part(report, SUPERVISED)
            where = request.seeds, subject.device, show, kept
            found[SUPERVISED] = supervised_scores(encoder, data, drawn.closed, *where)

    judged = judge(subject, request.seeds, draw, measure, train, report, work, expect)
    splits = judged.drawn.closed
    few_or_scene = any(split.shots for split in splits) or isinstance(data.source, SceneSource)
    table = rows(found, reported(few_or_scene)) + rows(geometry, structural())
    headline = [s for s in found[subject.name] if s.probe == request.headline]
    result = Result(
        **circumstances(subject, request, judged, command),
        protocol=_protocol(splits, request),
        rows=tuple(table),
        paired=tuple(paired(table, request.headline)),
        gaps=tuple(gaps(table)),
        per_class=tuple(class_recalls(found, data.class_names, (request.headline, SUPERVISED))),
        outcomes=tuple(outcomes(subject.name, headline, len(data.class_names))),
        representation="frozen h; also with shares of the labels, this is a linear probe and not fine-tuning",
        selected_on=_selected_on(found[subject.name]),
        interval="95 % Student t over seeds, each a split with its own random weights; one encoder",
        skipped=tuple(skipped),
        fewer_shots=tuple(fewer_shots(splits, data)),
        repeated_in_training_part=repeated,
        splits=tuple(describe_split(split, data) for split in splits),
        baselines={
            "random": f"BatchNorm statistics from {len(unlabelled_ids(data.source))} training inputs without their "
            "labels",
            "pca": "components of the input, fitted on the same training inputs",
        },
        probes=_settings(request.standardise),
    )
    shown = [Mapped(split, drawn_maps[kind]) for kind, split in mapped_splits(splits).items() if kind in drawn_maps]
    return LinearEvaluation(result, splits, shown)


def _trains(subject: Subject, request: LinearRequest, drawn: Drawn, skipped: list[Skipped], work: Work) -> bool:
    """Whether to train from scratch: where it was asked for, or is quick; else it is said why not."""
    encoder, wanted = subject.encoder, request.supervised
    most = max(len(split.learned()) for split in drawn.closed)
    if encoder is None or wanted is False or (wanted is None and not isinstance(encoder, FrozenEncoder)):
        return False
    if wanted is None and most > SUPERVISED_MOST:
        why = f"{most} training samples are more than {SUPERVISED_MOST}: ask for it to train from scratch"
    else:
        free = [split for split in drawn.closed if split.seed is None]
        seeded = [split for split in drawn.closed if split.seed is not None]
        splits = [*seeded, *free * len(request.seeds)]
        if expect_trainings(subject, [Trainings(SUPERVISED, wanted, splits)], work):
            return True
        why = f"it takes longer than {duration(QUICK_SECONDS)} here: --supervised trains from scratch all the same"
    skipped.append(Skipped(probe=SUPERVISED, why=why))
    return False


def _repeated(raw: Tensor, split: Split) -> int:
    """How many test samples also occur in the training part, by their raw features.

    Raises:
        InputError: if all of them do: the two parts are the same data.
    """
    seen = {row.tobytes() for row in raw[split.train].numpy()}
    repeated = sum(row.tobytes() in seen for row in raw[split.test].numpy())
    if repeated == len(split.test):
        raise InputError(
            f"all {repeated} test samples are in the training part too: give a test part that the probe has not seen."
        )
    return repeated


def _protocol(splits: Sequence[Split], request: LinearRequest) -> str:
    """A short text that is the same for two results exactly where they were made in the same way."""
    kinds = ",".join(dict.fromkeys(s.name for s in splits))
    shots = ",".join(dict.fromkeys(str(s.shots) for s in splits if s.shots)) or "-"
    shares = ",".join(dict.fromkeys(_share(s) for s in splits if not s.shots)) or "-"
    validation = "split" if any(len(s.validation) for s in splits) else "probe"
    return (
        f"{PROTOCOL} split={kinds} shots={shots} labels={shares} validation={validation} "
        f"standardise={'yes' if request.standardise else 'no'} seeds={','.join(map(str, request.seeds))} "
        f"probes={','.join(request.names)}{' penalties=all' * request.all_penalties}"
    )


def _share(split: Split) -> str:
    return f"{100 * split.share:g}%" if split.share else "all"


def _selected_on(scores: Sequence[Score]) -> str:
    """What each probe chose on, in words."""
    ways: dict[str, dict[str, None]] = {}
    for s in scores:
        ways.setdefault(s.probe, {})[str(s.selected.get("selected_on", FIXED))] = None
    each = "; ".join(f"{probe}: {' or '.join(found)}" for probe, found in ways.items())
    return f"training part only ({each})"


def _settings(standardise: bool) -> dict[str, Facts]:
    """What is the same for every fit."""
    features = f"centred{' and divided by the standard deviation' * standardise}, of the samples that are fitted to"
    found: dict[str, Facts] = {}
    for name, probe in PROBES.items():
        if probe.settings is not None:
            found[name] = {**probe.settings, "features": features} if probe.chooses else {**probe.settings}
    return {**found, **{name: {**policy} for name, policy in POLICY.items()}}
