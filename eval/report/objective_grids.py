"""Tables of objectives: what each is worth from either start, and by how much more than what it stands beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from simclr.eval.open_set.objectives import STARTS
from simclr.eval.probes.learners import FROZEN
from simclr.eval.report.few_shot_grids import OpenKind
from simclr.eval.report.few_shot_words import compared_metric
from simclr.eval.report.grids import Entry, Grid, Percent, Points, grid
from simclr.eval.report.select import over_seeds
from simclr.eval.results.objective_record import ObjectiveDifference, ObjectiveRow, Objectives
from simclr.eval.results.objective_rows import HEADLINES, headline_rows
from simclr.eval.results.record import Result
from simclr.eval.results.words import listed, metric_name, probe_name, representation_name


def objective_grids(result: Result) -> list[Grid]:
    """For each kind of split and amount of labels a table of measurements, and one of differences with intervals."""
    compared = result.objectives
    if compared is None:
        return []
    rows = headline_rows(compared.rows, compared.scores)
    kinds = list(dict.fromkeys(OpenKind(row.split, row.shots, row.labels) for row in rows))
    found: list[Grid | None] = []
    for kind in kinds:
        mine = [row for row in rows if OpenKind(row.split, row.shots, row.labels) == kind]
        found.append(_measured(result, compared, kind, mine))
        of_kind = [d for d in compared.differences if OpenKind(d.split, d.shots, d.labels) == kind]
        found.append(_differences(kind, of_kind))
    return [table for table in found if table]


def objectives_note(compared: Objectives) -> list[str]:
    """How the numbers came about, in sentences."""
    scores = list(dict.fromkeys(compared.scores.values()))
    special = [f"{name} by {score}" for name, score in compared.scores.items() if score != scores[0]]
    by = "" if scores == [compared.probe] else f", by the score {listed([probe_name(scores[0]), *special])}"
    steps = {name: next(iter(of.values())).get("steps") for name, of in compared.settings.items()}
    most = next(iter(steps.values()), None)
    others = [f"{name} for {n}" for name, n in steps.items() if n != most]
    long = f"for {most} steps ({listed(others)})" if others else "all for the same steps"
    parts = [f"trained on the labels of each split alone, {long}{by}, fixed beforehand"]
    seeing = [name for name, of in compared.settings.items() if any("without_labels" in how for how in of.values())]
    if seeing:
        be = "have" if len(seeing) > 1 else "has"
        parts.append(f"{listed(seeing)} {be} seen all samples without their labels, those of the test part among them")
    if compared.cross_fitted:
        parts.append(
            f"open OA: {compared.threshold} threshold from training samples, in {compared.cross_fitted} parts, each "
            "scored by an encoder that was trained on the others, and scaled as frozen features say; of what is frozen "
            "as little is left out as the split allows"
        )
    return parts


def _measured(result: Result, compared: Objectives, kind: OpenKind, rows: Sequence[ObjectiveRow]) -> Grid | None:
    metrics = [name for name in HEADLINES if any(row.metric == name for row in rows)]
    ordered = [row for name in metrics for row in rows if row.metric == name]
    return grid(
        f"objectives, {kind.name}: {over_seeds(result, ordered)}",
        (
            Entry(
                (row.objective, representation_name(row.representation)),
                (metric_name(row.metric),),
                Percent(row.mean, row.sd),
                row.representation == STARTS[0],
            )
            for row in ordered
        ),
        left=("objective", "of"),
        notes=objectives_note(compared),
    )


def _differences(kind: OpenKind, found: Sequence[ObjectiveDifference]) -> Grid | None:
    """Of the metric that says most: OSCR, or without unknown classes the closed accuracy."""
    metric = compared_metric(found)

    def column(d: ObjectiveDifference) -> str:
        if d.minus_representation != d.representation:
            return f"minus {representation_name(d.minus_representation)}"
        return f"minus {d.minus_objective}"

    # What was not trained comes first, as in the other table.
    rows = sorted((d for d in found if d.metric == metric), key=lambda d: d.objective != FROZEN)
    order = {name: i for i, name in enumerate((f"minus {FROZEN}", f"minus {representation_name(STARTS[1])}"))}
    columns = sorted({column(d) for d in rows}, key=lambda name: order.get(name, len(order)))
    table = grid(
        f"objectives, {kind.name}: {metric_name(metric)}, differences on the same splits in points, 95 % interval over "
        "the seeds",
        (
            Entry(
                (d.objective, representation_name(d.representation)),
                (name,),
                Points(d.mean, d.ci95, len(d.per_seed)),
                d.representation == STARTS[0],
            )
            for d in rows
            for name in columns
            if column(d) == name
        ),
        left=("objective", "of"),
        notes=[f"minus {FROZEN}: the same start, not trained; minus random weights: the same objective from these"],
    )
    if table is None:
        return None
    places = [table.columns.index((name,)) for name in columns]
    return replace(
        table,
        columns=tuple((name,) for name in columns),
        rows=tuple(replace(row, cells=tuple(row.cells[i] for i in places)) for row in table.rows),
    )
