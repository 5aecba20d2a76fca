"""`simclr few-shot`: from an encoder file to few-shot.json and tables."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from eval.command import data_section, shares_of, shots_of
from eval.draw import excluded_ids
from eval.feature_cache import FeatureCache
from eval.few_shot import few_shot
from eval.few_shot_request import DEFAULT_PROBES
from eval.few_shot_table import print_few_shot
from eval.labelled import LabelledData
from eval.open_split import few_shot_splits
from eval.scene_map import draw_scene_map
from eval.summary import write_result
from eval.unknown import class_ids
from eval.unknown_map import SCORE, THRESHOLD, predict_with_unknown
from simclr.build import build_source
from simclr.data import SceneSource, Source
from simclr.encoder_file import FrozenEncoder, load_encoder, load_head
from simclr.errors import InputError


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
        split: comma-separated ``random``, ``block`` or files; see ``eval.draw``.
        shots: comma-separated numbers of labels per class; by default 1,5,20, and all that a split file holds.
        labels: comma-separated shares of each class's labels, such as ``1%,10%``.
        seeds: number of splits and of encoders with random weights.
        probes: comma-separated names of ``eval.few_shot_request.ALL_PROBES``.
        standardise: divide features by their standard deviation over the training samples, for linear probes.
        ways, queries, episodes: of the episodes.
        unknown: comma-separated names or numbers of classes that are unknown; by default the recipe's
            ``data.unknown``.
        unknown_classes: so many are drawn for each seed, instead.
        fine_tune: train end to end, too; by default for scenes.
        from_head: fine-tune from the first layer of the projection head.
        batch_norm, layer_decay, steps: of fine-tuning; see ``eval.fine_tune.train_classifier``.
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
            probes=DEFAULT_PROBES if probes is None else [name.strip() for name in probes.split(",")],
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


def same_samples(encoder: FrozenEncoder, source: Source) -> bool:
    """Whether pretraining saw these samples: of a scene the same pixels, whatever their labels are called.

    Files tell by their number and classes; a scene by its size, since another ground truth may lie on the same cube.
    """
    seen = encoder.metadata["source"]
    if isinstance(source, SceneSource):
        return seen["samples"] == len(source) and seen["patch_size"] is not None
    return (seen["samples"], seen["classes"]) == (len(source), list(source.class_names))
