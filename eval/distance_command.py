"""What ``simclr distance`` does: from files to a table, distance.json, its picture and the report."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.text import Text
from typing_extensions import Unpack

from simclr.errors import InputError
from simclr.eval.console import command_line, say_notes, say_written
from simclr.eval.distance import Asked, DistanceRequest, SetDistances, distance, distance_seen
from simclr.eval.maps.belonging import drawn_for
from simclr.eval.report.distance_figure import draw_distance
from simclr.eval.report.distance_grid import distance_findings, distance_grid
from simclr.eval.report.moving import moving
from simclr.eval.report.terminal import show
from simclr.eval.report_command import run_report
from simclr.eval.results.distance_record import DISTANCE, DISTANCE_PICTURE, DistanceResult
from simclr.eval.results.result_file import write_result
from simclr.eval.results.words import printable
from simclr.eval.set_words import NamedPair, NamedSet
from simclr.eval.subject.representations import Progress
from simclr.eval.subject.set_features import read_features
from simclr.eval.subject.sets import open_pair
from simclr.files import check_writable


def run_distance(
    named: NamedPair, overrides: Sequence[str] = (), *, output: Path | None = None, **asked: Unpack[Asked]
) -> DistanceResult:
    """Measure how far two sets lie apart, and write what came out.

    Args:
        named: as of `simclr.eval.set_words.named_pair`.
        overrides: ``data.KEY=VALUE``, of the data that is named by its path.
        output: folder for distance.json, distance.png and report.html; None is `default_folder`.
        asked: see `simclr.eval.distance.DistanceRequest`.

    Raises:
        InputError: what was given does not fit together.
    """
    request = DistanceRequest(**asked)
    folder = output or default_folder(named)
    file, picture = folder / DISTANCE, folder / DISTANCE_PICTURE
    check_writable(file)
    with moving("reading …") as shown:
        found = _measure(named, overrides, request, shown.report)
        result = found.result.model_copy(update={"command": command_line()})
        folder.mkdir(parents=True, exist_ok=True)
        write_result(result, file)
        draw_distance(picture, result, found.views, drawn_for(file))
    console = Console()
    for line in distance_findings(result):
        console.print(Text(printable(line)))
    console.print()
    show(distance_grid(result), console)
    say_written([file, picture], console)
    run_report(folder)
    return result


def default_folder(named: NamedPair) -> Path:
    """Such as ``runs/distance-scene-new`` for ``runs/scene`` and ``data/new.mat``."""
    return Path("runs", "-".join(["distance", _slug(named.a), _slug(named.b)]))


def _slug(named: NamedSet) -> str:
    place = named.place.parent if named.is_run and not named.place.is_dir() else named.place
    text = " ".join([Path(os.path.abspath(place)).stem, named.part or ""])
    return re.sub(r"[^\w.]+", "-", text).strip("-.") or "set"


def _measure(named: NamedPair, overrides: Sequence[str], request: DistanceRequest, report: Progress) -> SetDistances:
    if named.encoder is None:
        if overrides:
            raise InputError(f"{overrides[0]} is of no use: without an encoder, A and B are features: see --encoder")
        a, b = (read_features(one) for one in (named.a, named.b))
        return distance(a, b, names=(named.a.text, named.b.text), **asdict(request))
    pair = open_pair(named, overrides)
    for source in {id(one.source): one.source for one in (pair.a, pair.b)}.values():
        say_notes(source.notes)
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    assert device is not None
    return distance_seen(pair, request, device, report)
