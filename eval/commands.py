"""What the judging commands do: linear-eval, few-shot and compare, from files to files and tables."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text
from typing_extensions import Unpack

from simclr.data.scenes.scene import SceneSource
from simclr.encoder_file import load_head
from simclr.errors import InputError
from simclr.eval.asked import FewShotWords, LinearWords, few_shot_request, linear_request, untrainable
from simclr.eval.console import command_line, fit_threads, say_notes, say_written
from simclr.eval.few_shot import UnknownMap, evaluate_few_shot
from simclr.eval.judging import why_excluded
from simclr.eval.keeping import set_aside, work_on
from simclr.eval.launched import opened_everywhere
from simclr.eval.linear_eval import LinearEvaluation, evaluate_linear
from simclr.eval.maps.belonging import drawn_for
from simclr.eval.maps.looks_like import draw_looks_like
from simclr.eval.maps.picture import SceneMap, draw_scene_map
from simclr.eval.maps.predict import predict_with_unknown
from simclr.eval.open_set.scores import SCORE
from simclr.eval.open_set.thresholds import THRESHOLD
from simclr.eval.protocol import FewShotRequest, LinearRequest
from simclr.eval.report.gather import LOOKS_LIKE
from simclr.eval.report.moving import moving
from simclr.eval.report.summary import print_comparison, print_few_shot, print_result
from simclr.eval.results.called import PRETRAINED, name_of_judged
from simclr.eval.results.chosen import choose, telling_names
from simclr.eval.results.compare import compare
from simclr.eval.results.record import Result
from simclr.eval.results.result_file import FEW_SHOT, RESULT, files_alike, read_result, write_result
from simclr.eval.results.words import listed, probe_name, several
from simclr.eval.splits.open_split import class_ids
from simclr.eval.splits.split import Split
from simclr.eval.splits.split_file import write_split
from simclr.eval.subject.opened import OpenedSubject
from simclr.eval.subject.subject import Subject
from simclr.eval.work.forecast import Forecast
from simclr.files import check_writable
from simclr.models.prototypes import Prototyped

_PICTURES, _FEW_SHOT_PICTURES = ("map.png", LOOKS_LIKE), ("unknown-map.png",)


def run_linear_eval(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    output: Path | None = None,
    keep_splits: bool = False,
    cache: bool = True,
    all_scores: bool = False,
    overwrite: bool = False,
    **words: Unpack[LinearWords],
) -> None:
    """Judge an encoder file on its own data or on other data, or features in files, and write what came out.

    Args:
        path: encoder file or run folder, or features as of ``simclr.eval.subject.feature_file``.
        overrides: ``data.KEY=VALUE``, applied to the data section that the encoder was pretrained with.
        output: folder for result.json and map.png; by default the encoder's.
        keep_splits: write every split into the folder ``splits``.
        cache: keep features in the folder ``features`` of the output, and use those that are there.
        all_scores: print every metric, amount of labels and difference.
        overwrite: replace a result that stands; else it is kept under another name.
        words: the other options of ``simclr linear-eval``.

    Raises:
        InputError: what was given does not fit together.
    """
    say_notes(fit_threads())
    with opened_everywhere(path, overrides, output, cache) as opened:
        if opened is not None:
            _linear_eval(opened, linear_request(words), keep_splits, overwrite, all_scores)


def _linear_eval(
    opened: OpenedSubject, request: LinearRequest, keep_splits: bool, overwrite: bool, all_scores: bool
) -> None:
    subject, folder = opened.subject, opened.folder
    say_notes(subject.data.source.notes)
    written, notes = [folder / RESULT], list[str]()
    check_writable(written[0])
    forecast = Forecast()
    with moving("reading …", forecast.words) as shown, work_on(written[0], forecast, shown.line, _PICTURES) as work:
        found = evaluate_linear(subject, request, command_line(), shown.report, work, maps=True)
        result = _of_file(found.result, opened)
        folder.mkdir(parents=True, exist_ok=True)
        kept = [] if overwrite else set_aside(written[0], _PICTURES, result)
        write_result(result, written[0])
        if keep_splits:
            _write_splits(found.splits, subject, folder / "splits")
        if found.maps:
            shown.say("map of the scene")
            written.append(folder / "map.png")
            _draw_map(subject, found, request.headline, written)
        if subject.encoder is not None and isinstance(subject.encoder.encoder, Prototyped) and found.splits:
            shown.say("what looks like what")
            picture, texts = folder / LOOKS_LIKE, drawn_for(written[0])
            likeness = draw_looks_like(subject, found.splits[0], picture, texts)
            written += [picture] if likeness.drawn else []
            notes = likeness.notes
        work.journal.clear()
    say_notes(_left_out(subject))
    console = Console()
    print_result(result, console, all_scores)
    for note in [*notes, *kept]:
        console.print(Text(note), soft_wrap=True)
    say_written(written, console)


def run_few_shot(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    output: Path | None = None,
    from_head: bool = False,
    cache: bool = True,
    all_scores: bool = False,
    overwrite: bool = False,
    **words: Unpack[FewShotWords],
) -> None:
    """Judge an encoder file, or features in files, with a few labels, and write what came out.

    Args:
        path: encoder file or run folder, or features as of ``simclr.eval.subject.feature_file``.
        overrides: ``data.KEY=VALUE``, applied to the data section that the encoder was pretrained with.
        output: folder for few-shot.json; by default the encoder's.
        from_head: fine-tune from the first layer of the projection head.
        cache: keep features in the folder ``features`` of the output, and use those that are there.
        all_scores: print every probe, score, threshold and difference.
        overwrite: replace a result that stands; else it is kept under another name.
        words: the other options of ``simclr few-shot``; unknown classes are by default the recipe's ``data.unknown``.

    Raises:
        InputError: what was given does not fit together.
    """
    say_notes(fit_threads())
    with opened_everywhere(path, overrides, output, cache) as opened:
        if opened is None:
            return
        named = words.get("unknown")
        recipes: Sequence[str | int] = () if words.get("unknown_classes") else opened.section.unknown
        unknown = class_ids(recipes if named is None else named.split(","), opened.subject.data.source)
        useless = untrainable(words, from_head) if opened.subject.encoder is None else []
        if useless:
            raise InputError(f"{path} holds features, which cannot be trained: leave {listed(useless)} out")
        request = few_shot_request(words, unknown, load_head(path) if from_head else None)
        _few_shot(opened, request, overwrite, all_scores)


def _few_shot(opened: OpenedSubject, request: FewShotRequest, overwrite: bool, all_scores: bool) -> None:
    subject, folder = opened.subject, opened.folder
    say_notes(subject.data.source.notes)
    started = time.perf_counter()
    written = [folder / FEW_SHOT]
    check_writable(written[0])
    forecast = Forecast()
    with (
        moving("reading …", forecast.words) as shown,
        work_on(written[0], forecast, shown.line, _FEW_SHOT_PICTURES) as work,
    ):
        found = evaluate_few_shot(subject, request, command_line(), shown.report, work)
        seconds = round(time.perf_counter() - started, 1)
        result = _of_file(found.result, opened).model_copy(update={"seconds": seconds})
        folder.mkdir(parents=True, exist_ok=True)
        kept = [] if overwrite else set_aside(written[0], _FEW_SHOT_PICTURES, result)
        write_result(result, written[0])
        if found.unknown_map is not None:
            shown.say("map of the scene")
            written.append(folder / "unknown-map.png")
            judged = name_of_judged(result.encoder.fine_tuned is not None)
            _draw_unknown_map(subject, found.unknown_map, judged, written)
        work.journal.clear()
    say_notes(_left_out(subject))
    console = Console()
    print_few_shot(result, console, all_scores)
    for note in kept:
        console.print(Text(note), soft_wrap=True)
    say_written(written, console)


def run_compare(
    paths: Sequence[Path],
    *,
    output: Path | None = None,
    probe: str | None = None,
    split: str | None = None,
    shots: str | None = None,
    metric: str | None = None,
) -> None:
    """Compare results with the first of them, print a table, and write what was found.

    Args:
        paths: result files, or folders with a result.json or few-shot.json.
        output: JSON file to write; None writes none.
        probe: which ones are printed, with commas; None is the first result's headline. The file holds all.
        metric: likewise; None is the accuracies.
        split, shots: likewise; None is all of them. Shots are numbers, shares such as ``10%``, or ``all``.

    Raises:
        InputError: a result is missing or damaged, they cannot be compared, or what is asked for is in none.
    """
    files, others = files_alike(paths)
    found = compare([read_result(file) for file in files], telling_names(files))
    # Before anything is written: what was asked for may not exist.
    rows = choose(found, probe=probe, split=split, shots=shots, metric=metric)
    console = Console()
    print_comparison(found, rows, console)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_result(found, output)
        say_written([output], console)
    for line in others:
        console.print(Text(line), soft_wrap=True)


def _of_file(result: Result, opened: OpenedSubject) -> Result:
    """The result with what is known of an encoder that lies in a file, and of the data."""
    encoder = {}
    if opened.subject.encoder is not None:
        made = opened.subject.encoder.metadata
        encoder = {"file": str(opened.path), "created": made.created, "git": made.git}
    source = {"data": opened.section.model_dump(mode="json")}
    return result.model_copy(
        update={
            "encoder": result.encoder.model_copy(update=encoder),
            "source": result.source.model_copy(update=source),
        }
    )


def _draw_map(subject: Subject, found: LinearEvaluation, headline: str, written: Sequence[Path]) -> None:
    """The scene classified whole by the pretrained encoder and what it must beat, on each kind of split."""
    source = subject.data.source
    assert isinstance(source, SceneSource)  # it has a map
    called = {PRETRAINED: name_of_judged(found.result.encoder.fine_tuned is not None)}
    maps = [
        SceneMap(split, {called.get(name, name): classes for name, classes in shown.items()})
        for split, shown in found.maps
    ]
    result, path = written
    draw_scene_map(path, source, maps, probe=f"{probe_name(headline)} probe", texts=drawn_for(result))


def _draw_unknown_map(subject: Subject, wanted: UnknownMap, judged: str, written: Sequence[Path]) -> None:
    """The scene classified whole by the subject, rejected pixels in grey; ``judged`` is what people call it."""
    source, pair = subject.data.source, wanted.pair
    assert isinstance(source, SceneSource)  # it has a map
    assert subject.encoder is not None
    predicted = predict_with_unknown(
        subject.encoder, source, pair.open, wanted.threshold, cache=subject.cache, device=subject.device
    )
    how = f"{SCORE} score, {THRESHOLD} threshold"
    result, path = written
    draw_scene_map(path, source, [SceneMap(pair.open, {judged: predicted})], pair.unknown, how, drawn_for(result))


def _write_splits(splits: Sequence[Split], subject: Subject, folder: Path) -> None:
    data = subject.data
    folder.mkdir(exist_ok=True)
    for split in splits:
        amount = f"-{split.shots}-shots" if split.shots else f"-{100 * split.share:g}-percent" if split.share else ""
        seed = "" if split.seed is None else f"-seed-{split.seed}"
        file = folder / f"{split.name}{amount}{seed}.json"
        write_split(file, split, data.labels, data.class_names, data.source.name)


def _left_out(subject: Subject) -> list[str]:
    """Why samples are in no split, where some are."""
    n = len(subject.excluded)
    return [f"{several(n, 'sample')} left out of every split: {why_excluded(subject)}"] if n else []
