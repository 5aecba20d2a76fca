"""Few-shot evaluation on one screen: the headline's probe, score and threshold alone; the rest stands in the file."""

from __future__ import annotations

from dataclasses import replace

from simclr.eval.open_set.objectives import STARTS
from simclr.eval.probes.registry import PROBES
from simclr.eval.report.few_shot_grids import closed_grid, open_grid
from simclr.eval.report.few_shot_words import COMPARED
from simclr.eval.report.grids import Entry, Grid, Percent, grid
from simclr.eval.report.select import kinds, known_splits, leakage_note, over_seeds
from simclr.eval.results.objective_rows import HEADLINES, headline_rows
from simclr.eval.results.record import Result
from simclr.eval.results.words import JUDGED, amount_name, metric_name, representation_name


def brief_grids(result: Result) -> list[Grid]:
    """A table of the closed set for each kind of split, one of episodes, unknown classes, and objectives each."""
    closed = [table for split in kinds(result.rows) if (table := _closed(result, split)) is not None]
    others = [_episodes(result), open_grid(result) if result.open_set else None, _objectives(result)]
    return [*closed, *(table for table in others if table is not None)]


def _closed(result: Result, split: str) -> Grid | None:
    # And what was trained end to end.
    rows = tuple(r for r in result.rows if r.probe == result.headline or r.probe not in PROBES)
    found = closed_grid(result.model_copy(update={"rows": rows}), split)
    leaks = leakage_note(known_splits(result, split))
    return found and replace(found, notes=(*leaks, *found.notes))


def _episodes(result: Result) -> Grid | None:
    mine = [e for e in result.episodes if e.representation in JUDGED]
    if not mine:
        return None
    first = mine[0]
    return grid(
        f"{first.ways}-way episodes, nearest prototype, {first.queries} queries a class: %, mean of {first.episodes:,}",
        (
            Entry((distance,), (f"{e.shots}-shot",), Percent(accuracy.mean))
            for e in mine
            for distance, accuracy in e.accuracy.items()
        ),
        left=("distance",),
    )


def _objectives(result: Result) -> Grid | None:
    """Of both starts, and of the baselines what is judged: they stand in the other tables."""
    compared = result.objectives
    if compared is None:
        return None
    rows = headline_rows(compared.rows, compared.scores)
    metric = next(iter([name for name in (COMPARED, *HEADLINES) if any(r.metric == name for r in rows)]), "")
    mine = [r for r in rows if r.metric == metric and r.representation in STARTS]
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
