"""One self-contained HTML page from what a run and its evaluations left behind."""

from __future__ import annotations

from dataclasses import replace

from simclr.eval.report.class_grids import chosen_grid, recall_grid, split_hashes
from simclr.eval.report.distance_grid import distance_findings, distance_grid, distance_title
from simclr.eval.report.few_shot_grids import (
    closed_grid,
    decision_grid,
    episode_grids,
    mapped_grid,
    open_grid,
    open_kinds,
    rank_grid,
)
from simclr.eval.report.few_shot_words import few_shot_findings
from simclr.eval.report.figures import confusion_figure, efficiency_figure, embedding_figure, health_figure
from simclr.eval.report.html import bullets, definitions, escape, facts, figure, keys, page, picture, table
from simclr.eval.report.linear_grids import difference_grid, gap_grid, quality_grid, split_grids
from simclr.eval.report.material import Distance, Material
from simclr.eval.report.objective_grids import objective_grids
from simclr.eval.report.open_words import open_findings
from simclr.eval.report.prose import about_health, efficiency_caption, findings, how_it_was_judged, protocol_sentence
from simclr.eval.report.select import SUPERVISED, at_most_labels, kinds, main_metric, unknown_note
from simclr.eval.results.called import as_called, name_of_judged
from simclr.eval.results.distance_record import DistanceResult
from simclr.eval.results.record import EncoderRecord, Result
from simclr.eval.results.words import amount_name, metric_name, probe_name, several


def report_html(found: Material, title: str) -> str:
    """The page: results first, then where they fail, then how the encoder was made, then how to get the same again.

    It loads nothing from anywhere: styles and figures are in it. The same material gives the same text.
    """
    parts = [f"<h1>{escape(title)}</h1>"]
    found = replace(found, result=found.result and as_called(found.result))
    found = replace(found, few_shot=found.few_shot and as_called(found.few_shot))
    if found.result is not None:
        parts += _result(found.result)
    if found.few_shot is not None:
        parts += _few_shot(found.few_shot, found.result)
    curves = [curve for curve in map(_curve, (found.result, found.few_shot)) if curve]
    if curves:
        parts += ["<h2>Label efficiency</h2>", *(figure(*curve) for curve in curves)]
    if found.result is not None:
        parts += _errors(found.result)
    if found.distance is not None:
        parts += _distance(found.distance, title)
    for caption, png in found.pictures.items():
        name, _, text = caption.partition(": ")
        parts += [f"<h2>{escape(name)}</h2>", picture(png, text or name)]
    last = _pretraining(found)
    if found.missing:
        last += ["<h2>Not in this report</h2>", bullets(found.missing)]
    last += _reproduce(found)
    return page(title, parts + _embedding(found) + last)


def _result(result: Result) -> list[str]:
    parts = [f"<p>{escape(protocol_sentence(result))}</p>"]
    parts += _findings(result)
    parts.append(definitions(how_it_was_judged(result)))
    for split in kinds(result.rows):
        parts += [f"<h2>Linear evaluation, {escape(split)} split</h2>", *map(table, split_grids(result, split))]
    compared = [table(grid) for grid in (difference_grid(result), gap_grid(result)) if grid]
    return parts + (["<h2>Differences</h2>", *compared] if compared else [])


def _findings(result: Result) -> list[str]:
    texts = findings(result)
    return [bullets(texts)] if texts else []


def _few_shot(found: Result, result: Result | None) -> list[str]:
    parts = ["<h2>Few labels</h2>", f"<p>{escape(protocol_sentence(found))}</p>"]
    parts.append(bullets([*findings(found), *few_shot_findings(found)]))
    said = [] if result is None else how_it_was_judged(result)
    parts.append(definitions([item for item in how_it_was_judged(found) if item not in said]))
    splits = kinds(found.rows)
    for split in splits:
        parts += [f"<h3>{escape(split)} split</h3>"] * (len(splits) > 1)
        parts += [table(grid) for grid in (closed_grid(found, split), quality_grid(found, split)) if grid]
    parts += [table(grid) for grid in (difference_grid(found), gap_grid(found), *episode_grids(found)) if grid]
    if found.open_set:
        about = unknown_note(found.splits)
        parts += ["<h2>Unknown classes</h2>", f"<p>{escape(about[:1].upper() + about[1:])}.</p>"]
        parts += [bullets(open_findings(found)), *(table(grid) for grid in [open_grid(found)] if grid)]
    for kind in open_kinds(found):
        grids = rank_grid(found, kind), decision_grid(found, kind), mapped_grid(found, kind)
        parts += [table(grid) for grid in grids if grid]
    compared = [table(grid) for grid in objective_grids(found)]
    return parts + (["<h2>Objectives on the same labels</h2>", *compared] if compared else [])


def _distance(found: Distance, title: str) -> list[str]:
    result, name = found.result, distance_title(found.result)
    parts = [] if name == title else [f"<h2>{escape(name)}</h2>"]
    parts.append(bullets(distance_findings(result)))
    whole = distance_grid(result)
    parts += [table(whole)] if whole else []
    caption = (
        "Above, samples of both sets in the two directions in which both together vary most, on the same axes; below, "
        "the principal angles between A and B, and between random halves of A."
    )
    return parts + ([picture(found.picture, caption)] if found.picture is not None else [])


def _curve(found: Result | None) -> tuple[str, str] | None:
    """The curve of the headline probe and its caption, where there are two amounts of labels or more."""
    if found is None or not found.rows:
        return None
    metric = main_metric(found.rows)
    probes = (found.headline, SUPERVISED, "fine-tune")
    rows = [r for r in found.rows if r.metric == metric and r.probe in probes]
    rows = [r for r in rows if (r.shots or r.labels) and r.mean is not None]
    if len({(r.shots, r.labels) for r in rows}) < 2:
        return None
    salt = found.protocol.partition("/")[0]
    return efficiency_figure(rows, metric_name(metric), salt=salt), efficiency_caption(found, metric)


def _errors(result: Result) -> list[str]:
    names = list(result.source.classes)
    kept = [outcome for outcome in result.outcomes if outcome.counts]
    parts = ["<h2>Errors</h2>"] if kept else []
    for split in kinds(kept):
        most = at_most_labels(result, (o for o in kept if o.split == split))
        where = f"{probe_name(most.probe)} probe, {split} split, {amount_name(most.shots, most.labels)}"
        n = several(len(most.correct), "split")
        judged = name_of_judged(result.encoder.fine_tuned is not None)
        caption = f"Confusion of the {judged} encoder, {where}: counts of {n} added up, in percent of each true class."
        parts.append(figure(confusion_figure(most.counts or (), names, f"confusion {split}"), caption))
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
    return [f"<h2>{_kind_of_run(found)}</h2>", *parts] if parts else []


def _kind_of_run(found: Material) -> str:
    tuned = found.encoder is not None and found.encoder.labels.ids
    return "Fine-tuning" if tuned else "Pretraining"


def _reproduce(found: Material) -> list[str]:
    """Commands, identifiers and hashes of everything on the page."""
    parts = ["<h2>To get the same again</h2>"]
    if found.distance is not None:
        parts += _measured(found.distance.result)
    for name, result in (("result.json", found.result), ("few-shot.json", found.few_shot)):
        if result is None:
            continue
        encoder = result.encoder
        values = {
            "command": result.command,
            "protocol": result.protocol or None,
            "seeds": _joined(*map(str, result.seeds)),
            "selected on": result.selected_on or None,
            "transductive": result.transductive,
            "encoder file": encoder.file,
            "encoder sha256 before": encoder.sha256_before,
            "encoder sha256 after": encoder.sha256_after,
            "encoder git, created": _joined(encoder.git, encoder.created),
            "versions": _joined(*(f"{k} {v}" for k, v in result.versions.items())),
        }
        grids = split_hashes(result), chosen_grid(result)
        parts += [f"<h3>{name}</h3>", facts(values), *(table(grid) for grid in grids if grid)]
    if found.encoder is not None:
        made = found.encoder
        values = {
            "encoder": _joined(*(f"{k} {v}" for k, v in made.architecture.items())),
            "created": made.created,
            "git": made.git,
            "versions": _joined(*(f"{k} {v}" for k, v in made.versions.items())),
        }
        parts += [f"<h3>{_kind_of_run(found)}</h3>", facts(values)]
        parts += ["<h3>Recipe</h3>", keys(made.recipe)] if made.recipe else []
    return parts


def _measured(result: DistanceResult) -> list[str]:
    encoder = result.encoder or EncoderRecord()
    values = {
        "command": result.command,
        "protocol": result.protocol,
        "seed": str(result.seed),
        "encoder file": encoder.file,
        "encoder sha256": encoder.sha256_before,
        "versions": _joined(*(f"{k} {v}" for k, v in result.versions.items())),
    }
    return ["<h3>distance.json</h3>", facts(values)]


def _joined(*texts: str | None) -> str | None:
    return ", ".join(text for text in texts if text) or None
