"""Tables of few-shot evaluation: the closed set, episodes, and unknown classes by scores and by decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from simclr.eval.open_set.scores import SCORE
from simclr.eval.open_set.thresholds import THRESHOLD
from simclr.eval.report.grids import Entry, Grid, Percent, grid
from simclr.eval.report.linear_grids import probe_grid
from simclr.eval.report.select import dropped_note, known_splits, left_out_note, over_seeds
from simclr.eval.results.record import EpisodeRow, Interval, Result, Row
from simclr.eval.results.words import JUDGED, amount_name, mean_sd_text, metric_name, probe_name, representation_name

# How the public code of other methods counts; each of a single score and threshold.
LEGACY = ("mdl4ow_f1", "evml_open_oa")
MAPPED_METRICS = ("open_oa", "mapping_error", *LEGACY)
OPENNESS = "openness"
NOT_RANKS = (OPENNESS, "shift", "unknown_needed")
IN_SHORT = ("auroc", "oscr", "known_accepted", "unknown_recall", "open_oa")
"""Metrics of the table that is printed; of the middle ones with their spread."""


class OpenKind(NamedTuple):
    """One kind of split with unknown classes, and one amount of labels."""

    split: str
    shots: int | None
    labels: float | None

    @property
    def name(self) -> str:
        return f"{self.split} split, {amount_name(self.shots, self.labels)}"


def closed_grid(result: Result, split: str) -> Grid | None:
    """Every probe on a kind of split, and which classes it leaves out."""
    found = probe_grid(result, split)
    splits = known_splits(result, split)
    return found and replace(found, notes=(*left_out_note(splits), *dropped_note(splits)))


def episode_grids(result: Result) -> list[Grid]:
    """Accuracy of nearest prototypes over episodes, a table for each kind of episode."""
    found = []
    for kind in dict.fromkeys((e.ways, e.queries, e.episodes) for e in result.episodes):
        ways, queries, count = kind
        mine = [e for e in result.episodes if (e.ways, e.queries, e.episodes) == kind]
        found.append(
            grid(
                f"{ways}-way episodes, nearest prototype, {queries} queries a class: %, mean of {count:,} ± half its "
                "95 % interval",
                (
                    Entry(
                        (representation_name(e.representation), distance),
                        (f"{e.shots}-shot",),
                        Percent(accuracy.mean, _half(accuracy)),
                        e.representation in JUDGED,
                    )
                    for e in mine
                    for distance, accuracy in e.accuracy.items()
                ),
                left=("", "distance"),
                notes=_too_few(mine),
            )
        )
    return [table for table in found if table]


def _too_few(episodes: Sequence[EpisodeRow]) -> list[str]:
    """Classes that episodes do without, a sentence for each number of shots."""
    shots: dict[int, dict[str, None]] = {}
    for e in episodes:
        shots.setdefault(e.shots, {}).update(dict.fromkeys(e.left_out))
    return [f"{k}-shot episodes without {', '.join(names)}: too few samples" for k, names in shots.items() if names]


def _half(accuracy: Interval) -> float | None:
    return None if accuracy.ci95 is None else (accuracy.ci95[1] - accuracy.ci95[0]) / 2


def open_kinds(result: Result) -> list[OpenKind]:
    """Kinds of split with unknown classes, by amounts of labels, in the order in which they were judged."""
    return list(dict.fromkeys(map(_kind, result.open_set)))


def open_grid(result: Result, wanted: Sequence[OpenKind] | None = None) -> Grid | None:
    """The one score and threshold that stand for unknown classes, on every kind of split.

    Args:
        result: with ``open_set``.
        wanted: kinds of split; None is all of them.
    """
    rows = [r for r in result.open_set if r.probe == SCORE and r.threshold in (None, THRESHOLD)]
    ordered = [r for name in IN_SHORT for r in rows if r.metric == name]
    return grid(
        f"unknown classes: {over_seeds(result, ordered)}",
        (
            Entry(
                (_in_short(_kind(r)), representation_name(r.representation)),
                (metric_name(r.metric),),
                Percent(r.mean, r.sd if r.metric in IN_SHORT[1:4] else None),
                r.representation in JUDGED,
            )
            for kind in (open_kinds(result) if wanted is None else wanted)
            for r in ordered
            if _kind(r) == kind
        ),
        left=("split", "of"),
        notes=[f"by the score {SCORE}, rejected where it is above the threshold {THRESHOLD}", *_thresholds(result)],
    )


def _in_short(kind: OpenKind) -> str:
    return f"{kind.split}, {amount_name(kind.shots, kind.labels).removesuffix(' of the labels')}"


def rank_grid(result: Result, kind: OpenKind) -> Grid | None:
    """How well scores tell unknown from known samples, without a threshold; representations and scores down.

    Args:
        result: with ``open_set``.
        kind: one of :func:`open_kinds`.
    """
    rows = [r for r in _of(result, kind) if r.threshold is None]
    openness = [f"openness {mean_sd_text(r.mean, r.sd)} %" for r in rows if r.metric == OPENNESS]
    return grid(
        f"{kind.name}: {over_seeds(result, rows)}",
        (_by_representation(r) for r in rows if r.metric not in NOT_RANKS),
        left=("", "score"),
        notes=[*openness[:1], "scores, no threshold"],
    )


def decision_grid(result: Result, kind: OpenKind) -> Grid | None:
    """What is judged, with every score and threshold; decisions of the baselines are in the file.

    Args:
        result, kind: as in :func:`rank_grid`.
    """
    rows = _of(result, kind)
    judged = rows[0].representation if rows else ""
    rows = [r for r in rows if r.threshold is not None and r.representation == judged]
    return grid(
        f"{kind.name}: {over_seeds(result, rows)}",
        (
            Entry((probe_name(r.probe), r.threshold or ""), (metric_name(r.metric),), Percent(r.mean, r.sd))
            for r in rows
            if r.metric not in LEGACY
        ),
        left=("score", "threshold"),
        notes=[
            f"decisions, {representation_name(judged)}; quantile and weibull: from held-out training samples; gap: "
            "from the scores of all test samples, without their labels",
            *_thresholds(result),
        ],
    )


def _thresholds(result: Result) -> list[str]:
    """How thresholds were found."""
    how = result.thresholds
    if how is None:
        return []
    return [
        f"thresholds: {100 * how.rejected:g} % of known samples rejected (the Weibull tail fitted to the last "
        f"{100 * how.tail:g} %), on {how.fitted_on}",
        *(f"{split} split: left out were {what}" for split, what in how.left_out.items()),
    ]


def mapped_grid(result: Result, kind: OpenKind) -> Grid | None:
    """Every representation with the score and threshold that the map shows, as other methods count, too."""
    rows = [r for r in _of(result, kind) if (r.probe, r.threshold) == (SCORE, THRESHOLD)]
    legacy = ", ".join(metric_name(name) for name in LEGACY)
    return grid(
        f"{kind.name}: {over_seeds(result, rows)}",
        (_by_representation(r) for r in rows if r.metric in MAPPED_METRICS),
        left=("", "score"),
        notes=[f"decisions by {SCORE}, {THRESHOLD}; {legacy}: as the public code of these counts"],
    )


def _by_representation(row: Row) -> Entry:
    names = representation_name(row.representation), probe_name(row.probe)
    return Entry(names, (metric_name(row.metric),), Percent(row.mean, row.sd), row.representation in JUDGED)


def _of(result: Result, kind: OpenKind) -> list[Row]:
    return [r for r in result.open_set if _kind(r) == kind]


def _kind(row: Row) -> OpenKind:
    return OpenKind(row.split, row.shots, row.labels)
