"""From scores to the rows of a result: mean and standard deviation over seeds, paired differences, and gaps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Protocol

from pydantic import JsonValue

from simclr.eval.metrics.statistics import mean_sd
from simclr.eval.open_set.evaluate import OpenEntry
from simclr.eval.probes.score import Score
from simclr.eval.results.record import ClassRecall, Difference, Gap, Row
from simclr.eval.results.row import difference
from simclr.eval.splits.split import Split

BASELINES = ("random", "raw", "pca", "window mean", "supervised")


class Measured(Protocol):
    """What rows are made of: :class:`simclr.eval.probes.score.Score`, or a measurement without a probe."""

    @property
    def probe(self) -> str: ...
    @property
    def split(self) -> Split: ...
    @property
    def metrics(self) -> Mapping[str, float]: ...
    @property
    def selected(self) -> Mapping[str, JsonValue]: ...
    @property
    def seed(self) -> int | None: ...


def rows(found: Mapping[str, Sequence[Measured]], metrics: Sequence[str]) -> list[Row]:
    """One row for each representation, probe, number of shots or share of the labels, kind of split and metric.

    Args:
        found: representation -> the measurement of every fit.
        metrics: which ones; ``accuracy`` is another name of ``oa``. One that a probe does not have for every seed gives
            no row.
    """
    table = []
    for representation, measured in found.items():
        for (probe, *_), mine in _alike(measured).items():
            for metric in metrics:
                name = "oa" if metric == "accuracy" else metric
                if any(name not in m.metrics for m in mine):
                    continue
                values = [m.metrics[name] for m in mine]
                mean, sd = mean_sd(values)
                table.append(
                    Row.model_validate(
                        {
                            "representation": representation,
                            "probe": probe,
                            **_place(mine[0].split),
                            "metric": metric,
                            "mean": mean,
                            "sd": sd,
                            "per_seed": values,
                            "seeds": [m.seed for m in mine],
                            "selected": [m.selected for m in mine],
                        }
                    )
                )
    return table


def paired(table: Sequence[Row], headline: str) -> list[Difference]:
    """Differences of ``pretrained`` and each baseline, seed by seed, with a 95 % Student t interval of their mean.

    A representation without chance (on a fixed split) has a single value, which stands against every seed of the other.
    Training from scratch has no probe: it stands against the headline probe on the frozen encoder.
    """
    differences = []
    for row in table:
        if row.representation != "pretrained":
            continue
        for other in table:
            same = other.probe == row.probe or (other.probe == "supervised" and row.probe == headline)
            if other.representation not in BASELINES or not same or _what(other) != _what(row):
                continue
            against = f"pretrained - {other.representation}"
            if values := _differences(row, other):
                differences.append(Difference(difference=against, **difference(row, values)))
    return differences


def gaps(table: Sequence[Row]) -> list[Gap]:
    """What random splits promise too much: their score minus that of block splits, seed by seed, for every row."""
    blocks = {_subject(row): row for row in table if row.split == "block"}
    found = []
    for row in table:
        other = blocks.get(_subject(row)) if row.split == "random" else None
        if other is not None and (values := _differences(row, other)):
            about = {"gap": "random - block", "representation": row.representation}
            found.append(Gap.model_validate({**about, **difference(row, values)}))
    return found


def class_recalls(
    found: Mapping[str, Sequence[Score]], names: Sequence[str], probes: Iterable[str]
) -> list[ClassRecall]:
    """Mean recall of each class over the seeds, for the first of some probes that a representation has.

    Args:
        found: representation -> the score of every fit.
        names: of the classes.
        probes: which ones.
    """
    table = []
    for representation, all_scores in found.items():
        mine = [score for score in all_scores if score.probe in probes]
        for these in _alike(mine, by_probe=False).values():
            recalls = [score.recall for score in these]
            table.append(
                ClassRecall.model_validate(
                    {
                        "representation": representation,
                        "probe": mine[0].probe,
                        **_place(these[0].split),
                        "recall": {
                            name: fmean(recall[c] for recall in recalls if c in recall)
                            for c, name in enumerate(names)
                            if any(c in recall for recall in recalls)
                        },
                    }
                )
            )
    return table


def open_rows(found: Sequence[tuple[str, Split, Sequence[OpenEntry]]]) -> list[Row]:
    """Rows over the seeds, from (representation, split, entries of ``eval.open_set.evaluate``), one for each seed.

    A metric that has no value for a seed (nothing unknown, say) is left out of the mean and None in ``per_seed``.
    """
    table = []
    keys = [(name, split.name, split.shots, split.share) for name, split, _ in found]
    for key in dict.fromkeys(keys):
        runs = [(split, entries) for other, (_, split, entries) in zip(keys, found) if other == key]
        for entries in zip(*(entries for _, entries in runs)):
            for metric in entries[0].metrics:
                values = [entry.metrics[metric] for entry in entries]
                there = [value for value in values if value is not None]
                mean, sd = mean_sd(there) if there else (None, None)
                table.append(
                    Row.model_validate(
                        {
                            "representation": key[0],
                            "probe": entries[0].probe,
                            "threshold": entries[0].threshold,
                            **_place(runs[0][0]),
                            "metric": metric,
                            "mean": mean,
                            "sd": sd,
                            "per_seed": values,
                            "seeds": [split.seed for split, _ in runs],
                            "selected": [entry.selected for entry in entries],
                        }
                    )
                )
    return table


def _alike(measured: Sequence[Measured], by_probe: bool = True) -> dict[tuple[object, ...], list]:
    """Measurements that differ in nothing but their seed, together; in the order of the first of each."""
    groups: dict[tuple[object, ...], list] = {}
    for m in measured:
        key = (m.probe if by_probe else None, m.split.shots, m.split.share, m.split.name)
        groups.setdefault(key, []).append(m)
    return groups


def _place(split: Split) -> dict[str, int | float | str | None]:
    return {"shots": split.shots, "labels": split.share, "split": split.name}


def _what(row: Row) -> tuple[object, ...]:
    return row.shots, row.labels, row.split, row.metric


def _subject(row: Row) -> tuple[object, ...]:
    return row.representation, row.probe, row.shots, row.labels, row.metric


def _differences(row: Row, other: Row) -> list[float]:
    """One for each seed that both rows have; a value without a seed stands against every seed of the other row."""
    ours, theirs = (dict(zip(r.seeds, r.per_seed)) for r in (row, other))
    pairs = [(a, b) for s, a in ours.items() for t, b in theirs.items() if s == t or (s is None) != (t is None)]
    return [a - b for a, b in pairs if a is not None and b is not None]
