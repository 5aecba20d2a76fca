"""Known classes on one screen: one accuracy on every kind of split, and what stands out in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from simclr.eval.report.grids import Entry, Grid, Percent, grid
from simclr.eval.report.linear_grids import accuracy_grid, difference_grid, shows_every_probe
from simclr.eval.report.select import (
    SUPERVISED,
    adjoining_note,
    at_most_labels,
    kinds,
    known_splits,
    leakage,
    leakage_note,
    left_out_note,
    main_metric,
    over_seeds,
)
from simclr.eval.results.record import FewerShots, Result, Row
from simclr.eval.results.words import (
    JUDGED,
    OVERALL,
    amount_name,
    metric_name,
    probe_name,
    representation_name,
    several,
    some_of,
)

TUNED = "fine-tune"


def accuracy_briefs(result: Result) -> list[Grid]:
    """The overall accuracy by the headline probe and of training end to end: a column for each kind of split and amount
    of labels. Where every probe has a single number, all probes.
    """
    every = kinds(result.rows)
    if all(shows_every_probe(result, kind) for kind in every):
        tables = [(accuracy_grid(result, kind), known_splits(result, kind)) for kind in every]
        return [replace(table, notes=(*leakage_note(splits), *table.notes)) for table, splits in tables if table]
    rows = [r for r in result.rows if r.probe in (result.headline, SUPERVISED, TUNED)]
    metric = main_metric(rows) if rows else ""
    rows = [r for r in rows if r.metric == metric]
    table = grid(
        f"{metric_name(metric)}, {probe_name(result.headline)} probe: {over_seeds(result, rows)}",
        (
            Entry(
                (_name(result, r),),
                (f"{r.split} split", amount_name(r.shots, r.labels)),
                Percent(r.mean, r.sd),
                r.representation in JUDGED,
            )
            for r in rows
        ),
        notes=[note for kind in every for note in _notes(result, kind)],
    )
    return [table] if table else []


def difference_brief(result: Result) -> Grid | None:
    """What is judged minus each baseline, at the most labels of each kind of split."""
    mine = [d for d in result.paired if d.probe == result.headline and d.metric in OVERALL]
    most = [at_most_labels(result, [d for d in mine if d.split == kind]) for kind in kinds(mine)]
    places = {(d.split, d.shots, d.labels) for d in most}
    chosen = tuple(d for d in mine if (d.split, d.shots, d.labels) in places)
    return difference_grid(result.model_copy(update={"paired": chosen}))


def fewer_shots_brief(entries: Sequence[FewerShots]) -> list[str]:
    """Classes that give fewer training samples than asked for, in one line."""
    names = list(dict.fromkeys(name for entry in entries for name in entry.classes))
    return [f"fewer training samples than asked for of {some_of(names)}"] if names else []


def _name(result: Result, row: Row) -> str:
    n, most = len(row.per_seed), len(result.seeds)
    fewer = f", {several(n, 'seed')}" if row.probe != result.headline and n < most else ""
    return representation_name(row.representation) + (", end to end" if row.probe == TUNED else "") + fewer


def _notes(result: Result, kind: str) -> list[str]:
    """What holds for all numbers of a kind of split."""
    splits = known_splits(result, kind)
    leaks = leakage(splits)
    inside = [f"{kind} split, test pixels inside / touching a training patch: {leaks}"] if leaks else []
    return [*inside, *adjoining_note(splits), *left_out_note(splits)]
