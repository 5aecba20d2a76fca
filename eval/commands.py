"""What the judging commands do: linear-eval, few-shot, compare and report, from files to files and tables."""

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.text import Text

from eval.few_shot import few_shot
from eval.linear_eval import linear_eval
from eval.maps.picture import draw_scene_map
from eval.maps.predict import predict_scene, predict_with_unknown
from eval.open_set.scores import SCORE, THRESHOLD
from eval.probes.registry import FEW_SHOT_PROBES
from eval.protocol import shares_of, shots_of
from eval.report.gather import gather, title_of
from eval.report.page import report_html
from eval.report.summary import print_comparison, print_few_shot, print_quality, print_result
from eval.results.compare import choose, compare, telling_names
from eval.results.result_file import read_result, write_result
from eval.results.words import probe_name
from eval.splits.amounts import fewer_shots_lines
from eval.splits.draw import default_kinds, draw_splits
from eval.splits.labelled import LabelledData
from eval.splits.open_split import class_ids, few_shot_splits
from eval.splits.split import Split
from eval.splits.split_file import write_split
from eval.subject.baselines import calibrated_twin
from eval.subject.feature_cache import FeatureCache
from eval.subject.subject import _same_samples, data_section, excluded_ids, same_samples
from simclr.data import SceneSource
from simclr.encoder_file import FrozenEncoder, load_encoder, load_head
from simclr.errors import InputError
from simclr.files import write_text
from simclr.views.inputs import build_source


def run_linear_eval(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    output: Path | None = None,
    shots: str | None = None,
    seeds: int = 5,
    probes: str | None = None,
    split: str | None = None,
    labels: str | None = None,
    standardise: bool = True,
    validation: str | None = None,
    supervised: bool | None = None,
    keep_splits: bool = False,
    cache: bool = True,
) -> None:
    """Judge an encoder file on its own data, or on other data, and write what came out.

    Args:
        path: encoder file or run folder.
        overrides: ``data.KEY=VALUE``, applied to the data section that the encoder was pretrained with.
        output: folder for result.json and map.png; by default the encoder's.
        shots: comma-separated numbers of labels per class.
        seeds: number of splits and of encoders with random weights.
        probes: comma-separated names; by default all.
        split: comma-separated ``random``, ``block`` or files; see ``eval.splits.draw``.
        labels: comma-separated shares of each class's labels, such as ``1%,10%``.
        standardise: divide features by their standard deviation over the training samples, for linear probes.
        validation: share of each class's training samples to choose on, such as ``20%``.
        supervised: whether to train from scratch, too; by default where that is quick.
        keep_splits: write every split into the folder ``splits``.
        cache: keep features in the folder ``features`` of the output, and use those that are there.

    Raises:
        InputError: what was given does not fit together.
    """
    encoder = load_encoder(path)
    data = data_section(encoder, overrides)
    source, test_source = build_source(data), build_source(data, "test")
    assert source is not None
    if source.in_chans != encoder.preprocess.in_chans:
        raise InputError(
            f"the encoder takes {encoder.preprocess.in_chans} bands, but {source.name} has {source.in_chans}: "
            "judge it on data of the same bands"
        )
    own_data = _same_samples(encoder, source)
    if output is None and not own_data:
        raise InputError(
            f"{source.name} is not what the encoder was pretrained on: give --output FOLDER for the result"
        )
    folder = output or (path if path.is_dir() else path.parent)
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    assert device is not None
    console = Console()
    few, shares, (held_out,) = shots_of(shots), shares_of(labels), shares_of(validation, "--validation") or (0.0,)
    kinds = default_kinds(source, test_source) if split is None else [part.strip() for part in split.split(",")]
    features = FeatureCache(folder / "features" if cache else None)
    with Console(stderr=True).status("reading …") as status:
        result = linear_eval(
            encoder.to(device),
            source,
            test_source,
            splits=kinds,
            shots=few,
            shares=shares,
            seeds=range(seeds),
            probes=None if probes is None else [name.strip() for name in probes.split(",")],
            standardise=standardise,
            validation=held_out,
            supervised=supervised,
            cache=features,
            device=device,
            exclude=None if own_data else (),
            # Without a test part of their own, the tested samples were seen in pretraining, without their labels.
            transductive=own_data and test_source is None,
            command=shlex.join(["simclr", *sys.argv[1:]]),
            progress=_reporter(status.update),
        )
        result["encoder"] |= {"file": str(path), "created": encoder.metadata["created"], "git": encoder.metadata["git"]}
        result["source"]["data"] = data.model_dump(mode="json")
        folder.mkdir(parents=True, exist_ok=True)
        write_result(result, folder / "result.json")
        labelled = LabelledData(source, test_source)
        exclude = excluded_ids(encoder, labelled, None if own_data else ())

        def draw(kinds: Sequence[str], seeds: Sequence[int]) -> list[Split]:
            amounts = {"shots": few, "shares": shares, "validation": held_out}
            return draw_splits(labelled, kinds, seeds=seeds, exclude=exclude, **amounts)  # type: ignore[arg-type]

        if keep_splits:
            _write_splits(draw(kinds, range(seeds)), labelled, folder / "splits")
        if isinstance(source, SceneSource):
            status.update("map of the scene")
            largest = max(draw(kinds[:1], (0,)), key=lambda s: len(s.train))
            _draw_map(encoder, source, largest, result, folder / "map.png", features)
    print_result(result, console)
    print_quality(result, console)
    for line in fewer_shots_lines(result["fewer_shots"]):
        console.print(Text(line))
    drawn = " and map.png" if isinstance(source, SceneSource) else ""
    console.print(f"written: {folder / 'result.json'}{drawn}", soft_wrap=True, highlight=False)


def _draw_map(
    encoder: FrozenEncoder, source: SceneSource, split: Split, result: dict, path: Path, cache: FeatureCache
) -> None:
    """The scene classified whole by the pretrained encoder and by random weights."""
    device = next(encoder.encoder.parameters()).device
    twin = calibrated_twin(encoder, result["seeds"][0], source, device)
    predictions = {
        name: predict_scene(
            module, source, split, result["headline"], device=device, cache=cache, standardise=result["standardise"]
        )
        for name, module in (("pretrained", encoder), ("random weights", twin))
    }
    draw_scene_map(path, source, split, predictions, probe=f"{probe_name(result['headline'])} probe")


def _write_splits(splits: Sequence[Split], data: LabelledData, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for split in splits:
        amount = f"-{split.shots}-shots" if split.shots else f"-{100 * split.share:g}-percent" if split.share else ""
        seed = "" if split.seed is None else f"-seed-{split.seed}"
        file = folder / f"{split.name}{amount}{seed}.json"
        write_split(file, split, data.labels, data.class_names, data.source.name)


def _reporter(show: Callable[[str], None]) -> Callable[[str, int, int], None]:
    started = time.perf_counter()

    def report(what: str, done: int, total: int) -> None:
        show(f"{what} {done:,}/{total:,} · {time.perf_counter() - started:,.0f} s")

    return report


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
        paths: result files, or folders with a result.json.
        output: JSON file to write; None writes none.
        probe: which ones are printed, with commas; None is the first result's headline. The file holds all.
        metric: likewise; None is the accuracies.
        split, shots: likewise; None is all of them. Shots are numbers, shares such as ``10%``, or ``all``.

    Raises:
        InputError: a result is missing or damaged, they cannot be compared, or what is asked for is in none.
    """
    found = compare([read_result(path) for path in paths], telling_names(paths))
    # Before anything is written: what was asked for may not exist.
    rows = choose(found, probe=probe, split=split, shots=shots, metric=metric)
    console = Console()
    print_comparison(found, rows, console)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_result(found, output)
        console.print(f"written: {output}", soft_wrap=True, highlight=False)


def run_few_shot(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    output: Path | None = None,
    split: str = "random",
    shots: str | None = None,
    labels: str | None = None,
    seeds: int = 10,
    probes: str | None = None,
    standardise: bool = True,
    ways: int | None = None,
    queries: int | None = None,
    episodes: int = 600,
    unknown: str | None = None,
    unknown_classes: int = 0,
    fine_tune: bool | None = None,
    from_head: bool = False,
    batch_norm: str | None = None,
    layer_decay: float | None = None,
    steps: int | None = None,
    cache: bool = True,
) -> None:
    """Judge an encoder file with a few labels, and write what came out.

    Args:
        path: encoder file or run folder.
        overrides: ``data.KEY=VALUE``, applied to the data section that the encoder was pretrained with.
        output: folder for few-shot.json; by default the encoder's.
        split: comma-separated ``random``, ``block`` or files; see ``eval.splits.draw``.
        shots: comma-separated numbers of labels per class; by default 1,5,20, and all that a split file holds.
        labels: comma-separated shares of each class's labels, such as ``1%,10%``.
        seeds: number of splits and of encoders with random weights.
        probes: comma-separated names of ``eval.probes.registry.ALL_PROBES``.
        standardise: divide features by their standard deviation over the training samples, for linear probes.
        ways, queries, episodes: of the episodes.
        unknown: comma-separated names or numbers of classes that are unknown; by default the recipe's
            ``data.unknown``.
        unknown_classes: so many are drawn for each seed, instead.
        fine_tune: train end to end, too; by default for scenes.
        from_head: fine-tune from the first layer of the projection head.
        batch_norm, layer_decay, steps: of fine-tuning; see ``simclr.finetune.train_classifier``.
        cache: keep features in the folder ``features`` of the output, and use those that are there.

    Raises:
        InputError: what was given does not fit together.
    """
    encoder = load_encoder(path)
    data = data_section(encoder, overrides)
    source, test_source = build_source(data), build_source(data, "test")
    assert source is not None
    if source.in_chans != encoder.preprocess.in_chans:
        raise InputError(
            f"the encoder takes {encoder.preprocess.in_chans} bands, but {source.name} has {source.in_chans}: "
            "judge it on data of the same bands"
        )
    own = same_samples(encoder, source)
    if output is None and any(not text.startswith("data.unknown=") for text in overrides):
        raise InputError(f"{source.name} may not be what the encoder was pretrained on: give --output FOLDER")
    folder = output or (path if path.is_dir() else path.parent)
    words: Sequence[str | int] = () if unknown_classes else data.unknown
    kinds = [part.strip() for part in split.split(",")]
    asked: dict[str, Any] = {
        "shots": shots_of(shots),
        "shares": shares_of(labels),
        "unknown": class_ids(words if unknown is None else unknown.split(","), source),
        "unknown_classes": unknown_classes,
    }
    tuning = {"batch_norm": batch_norm, "layer_decay": layer_decay, "steps": steps}
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    assert device is not None
    features = FeatureCache(folder / "features" if cache else None)
    started = time.perf_counter()
    with Console(stderr=True).status("reading …") as status:

        def show(what: str, done: int, total: int) -> None:
            status.update(f"{what} {done:,}/{total:,} · {time.perf_counter() - started:,.0f} s")

        result = few_shot(
            encoder.to(device),
            source,
            test_source,
            splits=kinds,
            **asked,
            seeds=range(seeds),
            probes=FEW_SHOT_PROBES if probes is None else [name.strip() for name in probes.split(",")],
            standardise=standardise,
            ways=ways,
            queries=queries,
            episodes=episodes,
            fine_tune=fine_tune,
            fine_tune_options={key: value for key, value in tuning.items() if value is not None},
            head=load_head(path) if from_head else None,
            cache=features,
            device=device,
            exclude=None if own else (),
            transductive=own and test_source is None,
            command=shlex.join(["simclr", *sys.argv[1:]]),
            progress=show,
        )
    result["source"]["data"] = data.model_dump(mode="json")
    result["encoder"] |= {
        "feature_dim": encoder.feature_dim,
        "file": str(path),
        "created": encoder.metadata["created"],
        "git": encoder.metadata["git"],
    }
    result["seconds"] = round(time.perf_counter() - started, 1)
    folder.mkdir(parents=True, exist_ok=True)
    write_result(result, folder / "few-shot.json")
    drawn = [folder / "few-shot.json"]
    if isinstance(source, SceneSource) and test_source is None and result["open_set"]:
        labelled = LabelledData(source)
        exclude = excluded_ids(encoder, labelled, None if own else ())
        _, opened = few_shot_splits(labelled, kinds, seeds=(0,), exclude=exclude, **asked)
        first = [pair for pair in opened if pair.open.name == opened[0].open.name]
        pair = max(first, key=lambda pair: len(pair.open.train))
        predicted = predict_with_unknown(encoder, source, pair.open, device=device, cache=features)
        drawn.append(folder / "unknown-map.png")
        how = f"{SCORE} score, {THRESHOLD} threshold"
        draw_scene_map(drawn[-1], source, pair.open, {"pretrained": predicted}, pair.unknown, how)
    console = Console()
    print_few_shot(result, console)
    console.print(f"written: {' and '.join(map(str, drawn))}", soft_wrap=True, highlight=False)


def run_report(path: Path, *, output: Path | None = None) -> Path:
    """Draw the report of a folder.

    Args:
        path: run folder, or a folder with a result.json, or that file.
        output: HTML file to write; None is report.html in the folder.

    Returns:
        The file.

    Raises:
        InputError: there is no such folder, it holds nothing to report, something in it is damaged, or its parts are of
            two encoders.
    """
    if not path.exists():
        raise InputError(f"there is no {path}: give a folder of simclr pretrain or linear-eval")
    folder = path if path.is_dir() else path.parent
    console = Console(stderr=True)
    with console.status("reading …") as status:
        found = gather(folder, status.update)
        status.update("drawing …")
        html = report_html(found, title_of(found))
    file = output or folder / "report.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, html)
    console = Console()
    for text in found.missing:
        console.print(f"not in the report: {text}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"written: {file} ({len(html.encode()) / 1e6:.1f} MB)", soft_wrap=True, highlight=False)
    return file
