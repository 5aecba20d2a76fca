"""From trainings under objectives to the rows of a result, and what differs by how much."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from simclr.eval.metrics.statistics import mean_sd
from simclr.eval.open_set.evaluate import OpenEntry
from simclr.eval.open_set.objectives import CROSS_FITTED, STARTS, ObjectiveFound
from simclr.eval.open_set.rejection import TAILS
from simclr.eval.open_set.scores import SCORE
from simclr.eval.open_set.thresholds import THRESHOLD
from simclr.eval.probes.learners import FROZEN
from simclr.eval.results.objective_record import ObjectiveDifference, ObjectiveRow, Objectives
from simclr.eval.results.row import Facts, difference, paired
from simclr.eval.splits.split import Split

RANKED = ("closed_oa", "closed_aa", "auroc", "oscr")
DECIDED = ("open_oa", "known_accepted", "known_accuracy", "unknown_recall")
HEADLINES = ("closed_oa", "auroc", "oscr", "open_oa")
"""Metrics of the scores that stand for objectives, which are compared."""
REFERENCE = "softmax"


class Key(NamedTuple):
    """What a row measures."""

    objective: str
    representation: str
    probe: str
    threshold: str | None
    split: str
    shots: int | None
    share: float | None
    metric: str


def objectives_record(found: Sequence[ObjectiveFound], frozen: Sequence[ObjectiveFound], probe: str) -> Objectives:
    """Rows, differences, and how it was done.

    Args:
        found: of the objectives.
        frozen: of what was not trained, on the same splits.
        probe: of the closed set.
    """
    rows = _rows([*frozen, *found])
    opened = any(row.probe == SCORE for row in rows)
    scores = {one.objective: one.score if opened else probe for one in [*frozen, *found]}
    settings: dict[str, dict[str, Facts]] = {}
    for one in found:
        settings.setdefault(one.objective, {}).setdefault(one.start, dict(one.selected))
    return Objectives(
        scores=scores,
        threshold=THRESHOLD,
        probe=probe,
        cross_fitted=CROSS_FITTED if any(entry.threshold == THRESHOLD for one in found for entry in one.entries) else 0,
        settings=settings,
        rows=tuple(rows),
        differences=tuple(_differences(headline_rows(rows, scores))),
    )


def headline_rows(rows: Iterable[ObjectiveRow], scores: dict[str, str]) -> list[ObjectiveRow]:
    """Of each objective the rows of the score that stands for it, of the metrics that are compared."""
    compared = (row for row in rows if row.metric in HEADLINES and row.threshold in (None, THRESHOLD))
    return [row for row in compared if row.probe == scores.get(row.objective)]


def _rows(found: Sequence[ObjectiveFound]) -> list[ObjectiveRow]:
    values: dict[Key, list[tuple[int | None, float | None]]] = {}
    for one in found:
        for entry in one.entries:
            decided = DECIDED if entry.threshold in (THRESHOLD, *TAILS) else ()
            for metric in RANKED if entry.threshold is None else decided:
                if metric in entry.metrics:
                    key = _key(one, entry, metric)
                    values.setdefault(key, []).append((one.split.seed, entry.metrics[metric]))
    table = []
    for key, pairs in values.items():
        there = [value for _, value in pairs if value is not None]
        mean, sd = mean_sd(there) if there else (None, None)
        measured = {"labels": key.share, "mean": mean, "sd": sd}
        per_seed = {"per_seed": [value for _, value in pairs], "seeds": [seed for seed, _ in pairs]}
        about = {name: value for name, value in key._asdict().items() if name != "share"}
        table.append(ObjectiveRow.model_validate({**about, **measured, **per_seed}))
    return table


def _key(one: ObjectiveFound, entry: OpenEntry, metric: str) -> Key:
    split: Split = one.split
    what = one.objective, one.start, entry.probe, entry.threshold
    return Key(*what, split.name, split.shots, split.share, metric)


def _differences(rows: Sequence[ObjectiveRow]) -> list[ObjectiveDifference]:
    """Each trained row minus the frozen one of its start and minus the reference, and pretrained minus random."""
    place = {(row.objective, row.representation, *_where(row)): row for row in rows}
    found = []
    for row in rows:
        against = [(FROZEN, row.representation), (REFERENCE, row.representation)]
        against += [(row.objective, STARTS[1])] if row.representation == STARTS[0] else []
        for objective, representation in against if row.representation in STARTS else []:
            other = place.get((objective, representation, *_where(row)))
            # What was not trained is compared by its start alone.
            of_itself = (objective, representation) == (row.objective, row.representation)
            backwards = row.objective == FROZEN and objective != FROZEN
            if other is not None and not of_itself and not backwards:
                found += _minus(row, other)
    return found


def _where(row: ObjectiveRow) -> tuple[object, ...]:
    return row.split, row.shots, row.labels, row.metric


def _minus(row: ObjectiveRow, other: ObjectiveRow) -> list[ObjectiveDifference]:
    """Of the seeds that both have; nothing where there is none."""
    values = paired(row, other)
    if not values:
        return []
    return [
        ObjectiveDifference(
            objective=row.objective,
            representation=row.representation,
            minus_objective=other.objective,
            minus_representation=other.representation,
            minus_probe=other.probe,
            **difference(row, values),
        )
    ]
