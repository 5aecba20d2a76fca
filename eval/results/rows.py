"""From scores to the rows of a result: mean and standard deviation over seeds, and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from eval.metrics.statistics import interval, mean_sd
from eval.splits.split import Split

BASELINES = ("random", "raw", "pca", "window mean", "supervised")


class Measured(Protocol):
    """What rows are made of: :class:`eval.probes.score.Score`, or a measurement without a probe."""

    @property
    def probe(self) -> str: ...
    @property
    def split(self) -> Split: ...
    @property
    def metrics(self) -> Mapping[str, float]: ...
    @property
    def selected(self) -> Mapping[str, Any]: ...


Found = Mapping[str, Sequence[tuple[int | None, Measured]]]


def rows(found: Found, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """One row for each representation, probe, number of shots or share of the labels, kind of split and metric.

    Args:
        found: representation -> (seed, score) of every fit; the seed is None where nothing was drawn.
        metrics: which ones; ``accuracy`` is another name of ``oa``. One that a probe does not have for every seed gives
            no row.

    Returns:
        Rows with ``mean``, ``sd`` (n - 1; None for a single value), ``per_seed``, and what was ``selected`` for each
        seed; values are fractions.
    """
    table = []
    for representation, scored in found.items():
        for key in dict.fromkeys(_key(s) for _, s in scored):
            probe, shots, share, split = key
            mine = [s for _, s in scored if _key(s) == key]
            for metric in metrics:
                name = "oa" if metric == "accuracy" else metric
                if any(name not in s.metrics for s in mine):
                    continue
                values = [s.metrics[name] for s in mine]
                table.append(
                    {
                        "representation": representation,
                        "probe": probe,
                        "shots": shots,
                        "labels": share,
                        "split": split,
                        "metric": metric,
                        **mean_sd(values),
                        "per_seed": values,
                        "selected": [s.selected for s in mine],
                    }
                )
    return table


def paired(table: Sequence[Mapping[str, Any]], headline: str) -> list[dict[str, Any]]:
    """Differences of ``pretrained`` and each baseline, seed by seed, with a 95 % Student t interval of their mean.

    A representation without chance (one fixed split) has a single value, which stands against every seed of the other.
    Training from scratch has no probe: it stands against the headline probe on the frozen encoder.
    """
    differences = []
    key = ("shots", "labels", "split", "metric")
    for row in table:
        if row["representation"] != "pretrained":
            continue
        for other in table:
            same = other["probe"] == row["probe"] or (other["probe"] == "supervised" and row["probe"] == headline)
            if other["representation"] not in BASELINES or not same or any(other[name] != row[name] for name in key):
                continue
            values = _differences(row, other)
            differences.append(
                {
                    "difference": f"pretrained - {other['representation']}",
                    "probe": row["probe"],
                    **{name: row[name] for name in key},
                    **mean_sd(values),
                    "ci95": interval(values),
                    "per_seed": values,
                }
            )
    return differences


def gaps(table: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What random splits promise too much: their score minus that of block splits, seed by seed, for every row."""
    found = []
    key = ("representation", "probe", "shots", "labels", "metric")
    for row in table:
        for other in table:
            if (row["split"], other["split"]) == ("random", "block") and all(row[k] == other[k] for k in key):
                values = _differences(row, other)
                interval_and_seeds = {"ci95": interval(values), "per_seed": values}
                found.append(
                    {"gap": "random - block", **{k: row[k] for k in key}, **mean_sd(values), **interval_and_seeds}
                )
    return found


def _differences(row: Mapping[str, Any], other: Mapping[str, Any]) -> list[float]:
    """Seed by seed; a single value stands against every seed, and fewer seeds are the first of the other's."""
    ours, theirs = row["per_seed"], other["per_seed"]
    n = max(len(ours), len(theirs))
    ours, theirs = (x * n if len(x) == 1 else x for x in (ours, theirs))
    return [a - b for a, b in zip(ours, theirs)]


def _key(score: Measured) -> tuple[str, int | None, float | None, str]:
    return score.probe, score.split.shots, score.split.share, score.split.name


def open_rows(found: Sequence[tuple[str, Split, list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """Rows over the seeds, from (representation, split, entries of :func:`open_set`), one for each seed.

    A metric that has no value for a seed (nothing unknown, say) is left out of the mean and None in ``per_seed``.
    """
    table = []
    keys = [(name, split.name, split.shots, split.share) for name, split, _ in found]
    for key in dict.fromkeys(keys):
        runs = [entries for other, (_, _, entries) in zip(keys, found) if other == key]
        representation, kind, shots, share = key
        for entries in zip(*runs):
            for metric in entries[0]["metrics"]:
                values = [entry["metrics"][metric] for entry in entries]
                there = [v for v in values if v is not None]
                table.append(
                    {
                        "representation": representation,
                        "probe": entries[0]["probe"],
                        "threshold": entries[0]["threshold"],
                        "shots": shots,
                        "labels": share,
                        "split": kind,
                        "metric": metric,
                        **(mean_sd(there) if there else {"mean": None, "sd": None}),
                        "per_seed": values,
                        "selected": [entry["selected"] for entry in entries],
                    }
                )
    return table
