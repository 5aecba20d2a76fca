"""Few-shot evaluation on one screen: the headline's probe, score and threshold alone; the rest stands in the file."""

from __future__ import annotations

from dataclasses import replace

from simclr.eval.open_set.objectives import STARTS
from simclr.eval.probes.learners import FROZEN
from simclr.eval.report.few_shot_grids import OpenKind, open_grid, open_kinds
from simclr.eval.report.few_shot_words import COMPARED, objective_findings, open_findings
from simclr.eval.report.grids import Cell, Entry, Grid, Percent, grid
from simclr.eval.report.linear_brief import accuracy_briefs
from simclr.eval.report.open_words import decisions, worse_baselines
from simclr.eval.report.select import at_most_labels, kinds, over_seeds, unknown_note
from simclr.eval.results.objective_rows import HEADLINES, headline_rows
from simclr.eval.results.record import Result
from simclr.eval.results.words import JUDGED, amount_name, listed, metric_name, representation_name

COMPARED_TITLE = metric_name(COMPARED)
SOME = 8
"""Unknown classes that are named."""


def brief_grids(result: Result) -> list[Grid]:
    """A table of the closed set, one of unknown classes, and one of objectives."""
    others = [_unknown(result), _objectives(result)]
    return [*accuracy_briefs(result), *(table for table in others if table is not None)]


def brief_words(result: Result) -> list[str]:
    """What unknown classes and objectives come to at the most labels of each kind of split, and where else not well."""
    every = open_kinds(result)
    most = most_labels(every, result)
    found = [_unknown_classes(result)] if result.open_set else []
    found += [" ".join([*open_findings(result, [kind]), *decisions(result, kind)]) for kind in most]
    for kind in every:
        doubts = [] if kind in most else [*decisions(result, kind)[1:], *worse_baselines(result, kind)]
        found += [f"{kind.name[:1].upper()}{kind.name[1:]}: {' '.join(doubts)}"] if doubts else []
    if result.objectives is not None:
        trained = [OpenKind(d.split, d.shots, d.labels) for d in result.objectives.differences]
        found += objective_findings(result.objectives, most_labels(trained, result))
    return [*(text for text in found if text), *episodes_brief(result)]


def most_labels(found: list[OpenKind], result: Result) -> list[OpenKind]:
    """Of each kind of split the one with the most labels."""
    return [at_most_labels(result, [one for one in found if one.split == kind]) for kind in kinds(found)]


def _unknown_classes(result: Result) -> str:
    """Which they were, or how many."""
    sets = {s.unknown for s in result.splits if s.unknown}
    names = {name for drawn in sets for name in drawn}
    if len(names) <= SOME:
        return unknown_note(result.splits)
    drawn = f", {len(next(iter(sets)))} drawn for each seed" if len(sets) > 1 else ""
    return f"unknown classes{drawn}: {len(names)} in all"


def episodes_brief(result: Result) -> list[str]:
    """What is judged over episodes, by every distance, in a sentence for each kind of episode."""
    found: dict[str, dict[str, list[str]]] = {}
    for e in [e for e in result.episodes if e.representation in JUDGED]:
        what = f"{e.ways}-way episodes, nearest prototype, {e.queries} queries a class, mean of {e.episodes:,}"
        for distance, accuracy in e.accuracy.items():
            found.setdefault(what, {}).setdefault(distance, []).append(f"{100 * accuracy.mean:.1f} ({e.shots}-shot)")
    return [
        f"{what}: {'; '.join(f'{distance} {listed(values)}' for distance, values in by_distance.items())} %."
        for what, by_distance in found.items()
    ]


def _unknown(result: Result) -> Grid | None:
    """What is judged and the baseline that is best by the metric that is compared, at the most labels."""
    most = most_labels(open_kinds(result), result)
    found = open_grid(result, most) if result.open_set else None
    if found is None or (COMPARED_TITLE,) not in found.columns:
        return found
    place = found.columns.index((COMPARED_TITLE,))
    best: dict[str, float] = {}
    for row in found.rows:
        cell = row.cells[place]
        if not row.ours and isinstance(cell, Percent) and cell.mean is not None:
            best[row.names[0]] = max(best.get(row.names[0], -1.0), cell.mean)
    rows = tuple(row for row in found.rows if row.ours or _mean(row.cells[place]) == best.get(row.names[0]))
    caption = f"{found.caption}; beside it the best baseline"
    return replace(found, caption=caption, rows=rows, notes=())


def _mean(cell: Cell) -> float | None:
    return cell.mean if isinstance(cell, Percent) else None


def _objectives(result: Result) -> Grid | None:
    """Of both starts, and of the baselines what is judged: they stand in the other tables."""
    compared = result.objectives
    if compared is None:
        return None
    rows = headline_rows(compared.rows, compared.scores)
    if result.open_set:  # what was not trained stands in the table of unknown classes
        rows = [r for r in rows if r.objective != FROZEN]
    metric = next(iter([name for name in (COMPARED, *HEADLINES) if any(r.metric == name for r in rows)]), "")
    rows = [r for r in rows if r.metric == metric and r.representation in STARTS]
    most = most_labels([OpenKind(r.split, r.shots, r.labels) for r in rows], result)
    mine = [r for r in rows if OpenKind(r.split, r.shots, r.labels) in most]
    return grid(
        f"objectives: {metric_name(metric)} {over_seeds(result, mine)}",
        (
            Entry(
                (r.objective, representation_name(r.representation)),
                (r.split, amount_name(r.shots, r.labels)),
                Percent(r.mean, r.sd),
                r.representation == STARTS[0],
            )
            for r in mine
        ),
        left=("objective", "of"),
    )
