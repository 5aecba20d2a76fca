"""What decisions about unknown classes come to, in words: how many known samples they cost, and whether they hold."""

from __future__ import annotations

from simclr.eval.metrics.statistics import interval
from simclr.eval.open_set.scores import SCORE
from simclr.eval.open_set.shift import TOO_FAR
from simclr.eval.open_set.thresholds import REJECTED, THRESHOLD
from simclr.eval.report.few_shot_grids import OpenKind, open_kinds
from simclr.eval.results.record import Result, Row
from simclr.eval.results.words import JUDGED, interval_points, metric_name, representation_name

HOLDS = (0.85, 1.0)
"""Shares of the known samples that a threshold for 95 % may accept and still be said to hold."""
TELLS = 0.5
"""A score that rejects less of the unknown samples where 95 % of the known ones are accepted hardly tells the two."""
COMPARED = "oscr"
FPR = "fpr95 (known positive)"


def open_findings(result: Result) -> list[str]:
    """For each kind of split and amount of labels, of what is judged: decisions, whether they hold, and the baselines.

    All of the one score and threshold that stand for the others.
    """
    found = []
    for kind in open_kinds(result):
        parts = [*decisions(result, kind), *worse_baselines(result, kind)]
        if parts:
            found.append(" ".join([f"{kind.name[:1].upper()}{kind.name[1:]}: {parts[0]}", *parts[1:]]))
    return found


def decisions(result: Result, kind: OpenKind) -> list[str]:
    """Sentences on the decisions about one kind of split, and whether they hold; none where nothing was decided."""
    ours = _ours(result, kind)
    accepted, rejected = (_mean(ours, name) for name in ("known_accepted", "unknown_recall"))
    if accepted is None:
        return []
    text = f"{100 * accepted:.1f} % of the known samples accepted, {100 * (1 - REJECTED):g} % are meant to be"
    text += "" if rejected is None else f"; {100 * rejected:.1f} % of the unknown ones rejected"
    return [f"{text}.", *_doubts(ours, accepted)]


def _ours(result: Result, kind: OpenKind) -> dict[str, Row]:
    rows = _rows(result, kind)
    return {r.metric: r for r in rows if r.representation in JUDGED and r.threshold in (None, THRESHOLD)}


def _rows(result: Result, kind: OpenKind) -> list[Row]:
    return [r for r in result.open_set if OpenKind(r.split, r.shots, r.labels) == kind and r.probe == SCORE]


def _doubts(ours: dict[str, Row], accepted: float) -> list[str]:
    """Why the decisions are not to be relied upon, in sentences."""
    said = []
    low = min((v for v in ours["known_accepted"].per_seed if v is not None), default=accepted)
    if accepted < HOLDS[0]:
        said.append("The threshold does not hold here.")
    elif low < HOLDS[0]:
        said.append(f"It does not hold with every seed (least {100 * low:.1f} %).")
    needed, fpr = _mean(ours, "unknown_needed"), _mean(ours, FPR)
    if needed is not None and needed > TOO_FAR:
        said.append(
            "Held-out training samples and test samples differ too much for a threshold from the ones to hold for the "
            f"others: if nothing else has changed, at least {100 * needed:.0f} % of the test samples are of unknown "
            "classes."
        )
    if fpr is not None and 1 - fpr < TELLS:
        said.append(
            f"No threshold of this score tells them well: the one that accepts 95 % of the known rejects "
            f"{100 * (1 - fpr):.1f} % of the unknown."
        )
    rejected = _mean(ours, "unknown_recall")
    if fpr is None or rejected is None or accepted < HOLDS[0]:
        return said
    if 1 - fpr >= TELLS and rejected < TELLS * (1 - fpr):
        best = f"the one that accepts 95 % of the known would reject {100 * (1 - fpr):.1f} % of the unknown"
        said.append(f"It rejects far too little: {best}.")
    return said


def worse_baselines(result: Result, kind: OpenKind) -> list[str]:
    """Baselines that are better at telling and naming, with the interval of the difference over the seeds."""
    ours, rows = _ours(result, kind), _rows(result, kind)
    mine = ours.get(COMPARED) if "known_accepted" in ours else None
    said = []
    for other in rows if mine is not None else []:
        if other.metric != COMPARED or other.representation in JUDGED or mine is None:
            continue
        pairs = [(a, b) for a, b in _by_seed(mine, other) if a is not None and b is not None]
        ends = interval([a - b for a, b in pairs]) if len(pairs) > 1 else None
        if ends is not None and ends[1] < 0:
            name, by = representation_name(other.representation), interval_points(ends)
            said.append(f"Worse than {name} in {metric_name(COMPARED)} (95 % interval {by} points).")
    return said


def _by_seed(mine: Row, other: Row) -> list[tuple[float | None, float | None]]:
    theirs = dict(zip(other.seeds, other.per_seed))
    return [(value, theirs.get(seed, theirs.get(None))) for seed, value in zip(mine.seeds, mine.per_seed)]


def _mean(rows: dict[str, Row], metric: str) -> float | None:
    return rows[metric].mean if metric in rows else None
