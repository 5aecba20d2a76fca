"""`simclr few-shot`: from an encoder file to few-shot.json and tables."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from eval.command import data_section, shares_of, shots_of
from eval.draw import excluded_ids
from eval.feature_cache import FeatureCache
from eval.few_shot import ALL_PROBES, DEFAULT_PROBES, few_shot
from eval.few_shot_table import print_few_shot
from eval.labelled import LabelledData
from eval.scene_map import draw_scene_map
from eval.summary import write_result
from eval.unknown import class_ids, unknown_split
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
    shots: str = "1,5,20",
    labels: str | None = None,
    seeds: int = 10,
    probes: str | None = None,
    ways: int = 5,
    queries: int = 15,
    episodes: int = 600,
    unknown: str | None = None,
    unknown_classes: int = 0,
    fine_tune: bool | None = None,
    from_head: bool = False,
    cache: bool = True,
) -> None:
    """Judge an encoder file with a few labels, and write what came out.

    Args:
        path: encoder file or run folder.
        overrides: ``data.KEY=VALUE``, applied to the data section that the encoder was pretrained with.
        output: folder for few-shot.json; by default the encoder's.
        shots: comma-separated numbers of labels per class.
        labels: comma-separated shares of each class's labels, such as ``1%,10%``.
        seeds: number of splits and of encoders with random weights.
        probes: comma-separated names of ``eval.few_shot.ALL_PROBES``.
        ways, queries, episodes: of the episodes.
        unknown: comma-separated names or numbers of classes that are unknown.
        unknown_classes: so many are drawn for each seed.
        fine_tune: train end to end, too; by default for scenes.
        from_head: fine-tune from the first layer of the projection head.
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
    if output is None and overrides:
        raise InputError(f"{source.name} may not be what the encoder was pretrained on: give --output FOLDER")
    folder = output or (path if path.is_dir() else path.parent)
    folder.mkdir(parents=True, exist_ok=True)
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    assert device is not None
    chosen = _names(probes)
    features = FeatureCache(folder / "features" if cache else None)
    started = time.perf_counter()
    with Console(stderr=True).status("reading …") as status:

        def show(what: str, done: int, total: int) -> None:
            status.update(f"{what} {done:,}/{total:,} · {time.perf_counter() - started:,.0f} s")

        result = few_shot(
            encoder.to(device),
            source,
            test_source,
            shots=shots_of(shots) or (),
            shares=shares_of(labels),
            seeds=range(seeds),
            probes=chosen,
            ways=ways,
            queries=queries,
            episodes=episodes,
            unknown=() if unknown is None else class_ids(unknown.split(","), source),
            unknown_classes=unknown_classes,
            fine_tune=fine_tune,
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
    write_result(result, folder / "few-shot.json")
    if isinstance(source, SceneSource) and test_source is None and result["open_set"]:
        exclude = excluded_ids(encoder, LabelledData(source), None if own else ())
        _draw_unknown_map(encoder, source, exclude, result, folder / "unknown-map.png", device, features)
    print_few_shot(result, Console())


def _draw_unknown_map(
    encoder: FrozenEncoder,
    source: SceneSource,
    exclude: torch.Tensor,
    result: Mapping[str, Any],
    path: Path,
    device: torch.device,
    cache: FeatureCache,
) -> None:
    """The scene with the unknown classes of the first seed, by the split with the most shots."""
    assert source.labels is not None
    mine = [s for s in result["splits"] if s["unknown"] and s["seed"] == result["seeds"][0]]
    described = max(mine, key=lambda s: s["shots"])
    unknown = [list(source.class_names).index(name) for name in described["unknown"]]
    split = unknown_split(source.labels, described["shots"], described["seed"], unknown, exclude)
    predicted = predict_with_unknown(encoder, source, split, device=device, cache=cache)
    draw_scene_map(path, source, split, {"pretrained": predicted}, unknown, f"{SCORE} score, {THRESHOLD} threshold")


def same_samples(encoder: FrozenEncoder, source: Source) -> bool:
    """Whether pretraining saw these samples: of a scene the same pixels, whatever their labels are called.

    Files tell by their number and classes; a scene by its size, since another ground truth may lie on the same cube.
    """
    seen = encoder.metadata["source"]
    if isinstance(source, SceneSource):
        return seen["samples"] == len(source) and seen["patch_size"] is not None
    return (seen["samples"], seen["classes"]) == (len(source), list(source.class_names))


def _names(text: str | None) -> tuple[str, ...]:
    if text is None:
        return DEFAULT_PROBES
    names = tuple(part.strip() for part in text.split(","))
    for name in names:
        if name not in ALL_PROBES:
            raise InputError(f"--probes names {name!r}, but there are {', '.join(ALL_PROBES)}")
    return names
