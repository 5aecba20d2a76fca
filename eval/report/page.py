"""One self-contained HTML page from what a run and its evaluations left behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from eval.report.figures import confusion_figure, efficiency_figure, embedding_figure, health_figure
from eval.report.grids import (
    difference_grid,
    episode_grid,
    gap_grid,
    open_grid,
    probe_grid,
    quality_grid,
    recall_grid,
    split_grid,
    split_hashes,
)
from eval.report.html import bullets, definitions, facts, figure, keys, page, picture, table
from eval.report.prose import about_health, efficiency_caption, findings, how_it_was_judged, protocol_sentence
from eval.results.words import amount_name, listed, metric_name, probe_name, several

Data = Mapping[str, Any]
Embedding = tuple[np.ndarray, np.ndarray, Sequence[str]]


@dataclass(frozen=True)
class Material:
    """What a report is made of; whatever is None is left out.

    Attributes:
        result: as of ``simclr linear-eval``.
        few_shot: as of ``simclr few-shot``.
        metrics: lines of metrics.jsonl.
        encoder: the encoder's metadata.
        pictures: PNG bytes by caption; its part before a colon is the heading.
        views: PNG bytes of the views that the encoder was trained on.
        embedding: gives points (n, 2), labels (n,) and class names; called when all else is drawn.
        missing: what is not there, and how to get it; one sentence each.
    """

    result: Data | None = None
    few_shot: Data | None = None
    metrics: Sequence[Data] | None = None
    encoder: Data | None = None
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    views: bytes | None = None
    embedding: Callable[[], Embedding] | None = None
    missing: Sequence[str] = ()


def report_html(found: Material, title: str) -> str:
    """The page: results first, then where they fail, then how the encoder was made, then how to get the same again.

    It loads nothing from anywhere: styles and figures are in it. The same material gives the same text.
    """
    parts = [f"<h1>{escape(title)}</h1>"]
    if found.result is not None:
        parts += _result(found.result)
    if found.few_shot is not None:
        parts += _few_shot(found.few_shot, found.result)
    curves = [curve for curve in map(_curve, (found.result, found.few_shot)) if curve]
    if curves:
        parts += ["<h2>Label efficiency</h2>", *(figure(*curve) for curve in curves)]
    if found.result is not None:
        parts += _errors(found.result)
    for caption, png in found.pictures.items():
        name, _, text = caption.partition(": ")
        parts += [f"<h2>{escape(name)}</h2>", picture(png, text or name)]
    last = _pretraining(found)
    if found.missing:
        last += ["<h2>Not in this report</h2>", bullets(found.missing)]
    last += _reproduce(found)
    return page(title, parts + _embedding(found) + last)


def _result(result: Data) -> list[str]:
    parts = [f"<p>{escape(protocol_sentence(result))}</p>"]
    parts += _findings(result)
    parts.append(definitions(how_it_was_judged(result)))
    for split in dict.fromkeys(r["split"] for r in result["rows"]):
        parts += [f"<h2>Linear evaluation, {escape(split)} split</h2>", table(split_grid(result, split))]
        parts += [table(grid) for grid in (probe_grid(result, split), quality_grid(result, split)) if grid]
    compared = [table(grid) for grid in (difference_grid(result), gap_grid(result)) if grid]
    return parts + (["<h2>Differences</h2>", *compared] if compared else [])


def _findings(result: Data) -> list[str]:
    texts = findings(result)
    return [bullets(texts)] if texts else []


def _few_shot(found: Data, result: Data | None) -> list[str]:
    parts = ["<h2>Few labels</h2>", f"<p>{escape(protocol_sentence(found))}</p>"]
    parts += _findings(found)
    said = [] if result is None else how_it_was_judged(result)
    parts.append(definitions([item for item in how_it_was_judged(found) if item not in said]))
    kinds = list(dict.fromkeys(r["split"] for r in found["rows"]))
    for kind in kinds:
        grid = probe_grid(found, kind, _main_metric(found["rows"]))
        parts += [f"<h3>{escape(kind)} split</h3>"] * (grid is not None and len(kinds) > 1)
        parts += [table(grid)] if grid else []
    parts += [table(grid) for grid in (difference_grid(found), gap_grid(found), episode_grid(found)) if grid]
    if found.get("open_set"):
        sets = list(dict.fromkeys(tuple(s["unknown"]) for s in found["splits"] if s.get("unknown")))
        names = listed(list(dict.fromkeys(name for classes in sets for name in classes)))
        drawn = f"drawn anew for each seed, {len(sets[0])} of {names}" if len(sets) > 1 else names
        parts += ["<h2>Unknown classes</h2>", f"<p>Unknown: {escape(drawn)}.</p>"]
        parts += [table(grid) for grid in open_grid(found)]
    return parts


def _main_metric(rows: Sequence[Data]) -> str:
    metrics = {r["metric"] for r in rows}
    return next(name for name in ("oa", "accuracy", *sorted(metrics)) if name in metrics)


def _curve(found: Data | None) -> tuple[str, str] | None:
    """The curve of the headline probe and its caption, where there are two amounts of labels or more."""
    if found is None or not found["rows"]:
        return None
    metric = _main_metric(found["rows"])
    probes = (found["headline"], "supervised", "fine-tune")
    rows = [r for r in found["rows"] if r["metric"] == metric and (r["shots"] or r.get("labels"))]
    rows = [r for r in rows if r["probe"] in probes]
    if len({(r["shots"], r.get("labels")) for r in rows}) < 2:
        return None
    salt = found.get("protocol", "").partition("/")[0]
    return efficiency_figure(rows, metric_name(metric), salt=salt), efficiency_caption(found, metric)


def _errors(result: Data) -> list[str]:
    names = list(result["source"]["classes"])
    kept = [o for o in result.get("outcomes", []) if o["counts"]]
    if not kept:
        return []
    parts = ["<h2>Errors</h2>"]
    for split in dict.fromkeys(o["split"] for o in kept):
        most = max((o for o in kept if o["split"] == split), key=lambda o: (o["shots"] or 0, o["labels"] or 0))
        where = f"{probe_name(most['probe'])} probe, {split} split, {amount_name(most)}"
        n = several(len(most["correct"]), "split")
        caption = (
            f"Confusion of the pretrained encoder, {where}: counts of {n} added up, in percent of each true class."
        )
        parts.append(figure(confusion_figure(most["counts"], names, f"confusion {split}"), caption))
        recall = recall_grid(result, most)
        parts += [table(recall)] if recall else []
    return parts


def _embedding(found: Material) -> list[str]:
    if found.embedding is None:
        return []
    points, labels, names = found.embedding()
    caption = (
        f"t-SNE of h, {several(len(labels), 'labelled sample')} at random. Labels only colour the points. Distances "
        "between clusters and their sizes mean little."
    )
    return ["<h2>The representation</h2>", figure(embedding_figure(points, labels, names), caption)]


def _pretraining(found: Material) -> list[str]:
    parts = []
    if found.metrics:
        parts.append(figure(health_figure(found.metrics), about_health(found.metrics)))
    if found.views is not None:
        parts.append(picture(found.views, "Samples, the views that were drawn of them, and what was done to each."))
    return ["<h2>Pretraining</h2>", *parts] if parts else []


def _reproduce(found: Material) -> list[str]:
    """Commands, identifiers and hashes of everything on the page."""
    parts = ["<h2>To get the same again</h2>"]
    for name, result in (("result.json", found.result), ("few-shot.json", found.few_shot)):
        if result is None:
            continue
        encoder = result["encoder"]
        values = {
            "command": result.get("command"),
            "protocol": result.get("protocol"),
            "seeds": ", ".join(map(str, result["seeds"])),
            "selected on": result.get("selected_on"),
            "transductive": result.get("transductive"),
            "encoder file": encoder.get("file"),
            "encoder sha256 before": encoder.get("sha256_before"),
            "encoder sha256 after": encoder.get("sha256_after"),
            "encoder git, created": _joined(encoder.get("git"), encoder.get("created")),
            "versions": _joined(*(f"{k} {v}" for k, v in result.get("versions", {}).items())),
        }
        parts += [f"<h3>{name}</h3>", facts(values), table(split_hashes(result))]
    if found.encoder is not None:
        encoder = found.encoder
        values = {
            "encoder": _joined(*(f"{k} {v}" for k, v in encoder.get("encoder", {}).items())),
            "created": encoder.get("created"),
            "git": encoder.get("git"),
            "versions": _joined(*(f"{k} {v}" for k, v in encoder.get("versions", {}).items())),
        }
        parts += ["<h3>Pretraining</h3>", facts(values)]
        parts += ["<h3>Recipe</h3>", keys(encoder["recipe"])] if encoder.get("recipe") else []
    return parts


def _joined(*values: Any) -> str | None:
    return ", ".join(str(v) for v in values if v) or None
