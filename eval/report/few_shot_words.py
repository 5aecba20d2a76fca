"""What few labels come to in words: unknown classes beside the best baseline, objectives beside frozen features."""

from __future__ import annotations

from collections.abc import Sequence

from simclr.eval.open_set.objectives import STARTS
from simclr.eval.open_set.scores import SCORE
from simclr.eval.probes.learners import FROZEN
from simclr.eval.report.few_shot_grids import OpenKind, open_kinds
from simclr.eval.report.prose import against
from simclr.eval.results.objective_record import ObjectiveDifference, Objectives
from simclr.eval.results.record import Difference, Result, Row
from simclr.eval.results.row import difference, paired
from simclr.eval.results.words import (
    JUDGED,
    interval_points,
    listed,
    mean_sd_text,
    metric_name,
    points,
    probe_name,
    representation_name,
    several,
)

COMPARED = "oscr"
"""Of splits with unknown classes: it says most in one number."""


def few_shot_findings(result: Result) -> list[str]:
    """Both, in sentences."""
    return [*open_findings(result), *([] if result.objectives is None else objective_findings(result.objectives))]


def open_findings(result: Result, wanted: Sequence[OpenKind] | None = None) -> list[str]:
    """For each kind of split with unknown classes: OSCR of the score of the map, and the best baseline beside it.

    Args:
        result: with ``open_set``.
        wanted: kinds of split; None is all of them.
    """
    found = []
    for kind in open_kinds(result) if wanted is None else wanted:
        rows = [r for r in result.open_set if OpenKind(r.split, r.shots, r.labels) == kind]
        rows = [r for r in rows if (r.probe, r.threshold, r.metric) == (SCORE, None, COMPARED)]
        ours = next((r for r in rows if r.representation in JUDGED), None)
        if ours is None:
            continue
        differences = [d for r in rows if r.representation not in JUDGED for d in _minus(ours, r)]
        beside = f", {against(min(differences, key=lambda d: d.mean))}" if differences else ""
        found.append(
            f"{_capital(kind.name)}, unknown classes: {metric_name(COMPARED)} {mean_sd_text(ours.mean, ours.sd)} % by "
            f"the score {probe_name(SCORE)}{beside}."
        )
    return found


def objective_findings(compared: Objectives, wanted: Sequence[OpenKind] | None = None) -> list[str]:
    """Whether an objective beats what was not trained, for each kind of split; and where pretraining did harm.

    Args:
        compared: what was measured.
        wanted: kinds of split; None is all of them.
    """
    of_start = [d for d in compared.differences if d.representation == STARTS[0]]
    found = []
    for kind in dict.fromkeys(OpenKind(d.split, d.shots, d.labels) for d in of_start):
        if wanted is not None and kind not in wanted:
            continue
        mine = [d for d in of_start if OpenKind(d.split, d.shots, d.labels) == kind]
        metric = compared_metric(mine)
        mine = [d for d in mine if d.metric == metric]
        beside = [d for d in mine if d.minus_objective == FROZEN and d.minus_representation == d.representation]
        if beside:
            found.append(_answer(kind, metric, beside))
        harmed = [d for d in mine if d.minus_representation == STARTS[1] and d.ci95 is not None and d.ci95[1] < 0]
        if harmed:
            names = f"worse from the encoder than from {representation_name(STARTS[1])}: {_sizes(harmed)}"
            found.append(f"{_capital(kind.name)}, {names}.")
    return found


def compared_metric(found: Sequence[ObjectiveDifference]) -> str:
    """OSCR, or without unknown classes the first metric, which is the closed accuracy."""
    metrics = [d.metric for d in found]
    return COMPARED if COMPARED in metrics else next(iter(metrics), "")


def _answer(kind: OpenKind, metric: str, beside: Sequence[ObjectiveDifference]) -> str:
    n = len(beside[0].per_seed)
    question = f"Does an objective beat frozen features? {_capital(kind.name)}, {metric_name(metric)} in points"
    ranked = sorted(beside, key=lambda d: -d.mean)
    if any(d.ci95 is None for d in ranked):
        return f"{question}: not known with {several(n, 'seed')}, 3 or more give an interval: {_sizes(ranked)}."
    better = [d for d in ranked if d.ci95 is not None and d.ci95[0] > 0]
    worse = [d for d in ranked if d.ci95 is not None and d.ci95[1] < 0]
    rest = [d for d in ranked if d not in better and d not in worse]
    answer = f"yes, {_sizes(better)}" if better else "no"
    parts = [f"worse: {_sizes(worse)}"] * bool(worse) + [f"no clear difference: {_sizes(rest)}"] * bool(rest)
    each = ", each by itself" if len(ranked) > 1 else ""
    return f"{question} (95 % interval over {several(n, 'seed')}{each}): {'; '.join([answer, *parts])}."


def _sizes(found: Sequence[ObjectiveDifference]) -> str:
    return listed(
        [
            f"{d.objective} {points(d.mean)}{f' ({interval_points(d.ci95)})' if d.ci95 is not None else ''}"
            for d in found
        ]
    )


def _minus(ours: Row, other: Row) -> list[Difference]:
    """Of the seeds that both have; nothing where there is none."""
    values = paired(ours, other)
    if not values:
        return []
    return [Difference(difference=f"{ours.representation} - {other.representation}", **difference(ours, values))]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
