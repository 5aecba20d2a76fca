"""Tables of the known classes: scores by probe, quality, differences to the baselines, gaps between kinds of split."""

from __future__ import annotations

from collections.abc import Sequence

from simclr.eval.metrics.statistics import FEWEST_FOR_INTERVAL
from simclr.eval.metrics.structure import STRUCTURED
from simclr.eval.report.grids import Entry, Grid, Percent, Points, grid
from simclr.eval.report.select import SUPERVISED, dropped_note, known_splits, left_out_note, main_metric, over_seeds
from simclr.eval.results.called import name_of_judged
from simclr.eval.results.record import Difference, Gap, Result, Row
from simclr.eval.results.words import (
    JUDGED,
    OVERALL,
    amount_name,
    listed,
    metric_family,
    metric_name,
    probe_name,
    representation_name,
    several,
)

NO_INTERVAL = f"no interval where n, the number of seeds, is below {FEWEST_FOR_INTERVAL}"
ALL = amount_name(None)


def split_grids(result: Result, split: str) -> list[Grid]:
    """All tables of a kind of split: accuracies, every probe where the first has room for one alone, quality."""
    probes = {r.probe for r in result.rows if r.split == split and metric_family(r.metric) == "accuracy"}
    more = len(probes - {SUPERVISED}) > 1 and not shows_every_probe(result, split)
    found = (accuracy_grid(result, split), probe_grid(result, split) if more else None, quality_grid(result, split))
    return [table for table in found if table]


def accuracy_grid(result: Result, split: str) -> Grid | None:
    """Accuracies on a kind of split: representations down, metrics and amounts of labels across.

    They are those of the headline probe, or of every probe where that is a single column. Training from scratch has no
    probe, and stands in the headline's columns. None where there is no accuracy.
    """
    rows = [r for r in result.rows if r.split == split and metric_family(r.metric) == "accuracy"]
    every = shows_every_probe(result, split)
    rows = [r for r in rows if every or r.probe in (result.headline, SUPERVISED)]

    def column(row: Row) -> tuple[str, ...]:
        probe = result.headline if row.probe == SUPERVISED else row.probe
        return probe_name(probe) if every else "", metric_name(row.metric), _unless_all(row)

    of_probe = "" if every else f", {probe_name(result.headline)} probe"
    return grid(
        f"{split} split{of_probe}: {over_seeds(result, rows)}",
        (Entry((representation_name(r.representation),), column(r), _percent(r), _ours(r)) for r in rows),
        notes=[*left_out_note(known_splits(result, split)), *dropped_note(known_splits(result, split))],
    )


def shows_every_probe(result: Result, split: str) -> bool:
    """Whether :func:`accuracy_grid` has room for every probe, as the headline's accuracy is a single number."""
    mine = [r for r in result.rows if (r.split, r.probe) == (split, result.headline)]
    return len({(r.shots, r.labels, r.metric) for r in mine if metric_family(r.metric) == "accuracy"}) == 1


def probe_grid(result: Result, split: str) -> Grid | None:
    """The main metric on a kind of split: representations and probes down, amounts of labels across."""
    rows = [r for r in result.rows if r.split == split]
    metric = main_metric(rows) if rows else ""
    rows = [r for r in rows if r.metric == metric]
    seeds: dict[tuple[str, str], int] = {}
    for r in rows:
        key = r.representation, r.probe
        seeds[key] = min(seeds.get(key, len(result.seeds)), len(r.per_seed))

    def names(row: Row) -> tuple[str, str]:
        n = seeds[row.representation, row.probe]
        fewer = "" if n == len(result.seeds) else f", {several(n, 'seed')}"
        return representation_name(row.representation), probe_name(row.probe) + fewer

    what = "accuracy" if metric in OVERALL else metric_name(metric)
    return grid(
        f"{split} split: {what} in {over_seeds(result, rows)}",
        (Entry(names(r), (amount_name(r.shots, r.labels),), _percent(r), _ours(r)) for r in rows),
        left=("", "probe"),
    )


def quality_grid(result: Result, split: str, spread: bool = True) -> Grid | None:
    """All that is no accuracy: neighbours and clusters, calibration of the headline probe, and anything else.

    Args:
        result: with rows of a kind of split.
        split: which.
        spread: whether to show standard deviations, too.
    """
    mine = [r for r in result.rows if r.split == split]
    classifiers = {r.probe for r in mine if metric_family(r.metric) == "accuracy"}
    others = [r for r in mine if metric_family(r.metric) != "accuracy"]
    rows = [r for r in others if r.probe not in classifiers]
    rows += [r for r in others if r.probe in classifiers and r.probe == result.headline]
    of_probe = f"of the {probe_name(result.headline)} probe"
    families = {metric_family(r.metric) for r in rows}
    what = [f"neighbours and clusters of up to {STRUCTURED:,} test samples"] if "structure" in families else []
    what += [f"calibration {of_probe} (ECE, less is better)"] if "calibration" in families else []
    strange = list(dict.fromkeys(metric_name(r.metric) for r in rows if metric_family(r.metric) == "other"))
    what += [listed(strange)] if strange else []
    return grid(
        f"{split} split, %, {'mean ± sd' if spread else 'mean'} over the seeds: {', '.join(what)}",
        (
            Entry(
                (representation_name(r.representation),),
                (metric_name(r.metric), _unless_all(r)),
                Percent(r.mean, r.sd if spread else None),
                _ours(r),
            )
            for r in rows
        ),
    )


def difference_grid(result: Result) -> Grid | None:
    """What is judged minus each baseline, for the headline probe's overall accuracy."""
    rows = [r for r in result.paired if r.probe == result.headline and r.metric in OVERALL]
    if not rows:
        return None
    judged = name_of_judged(result.encoder.fine_tuned is not None)
    what = f"{metric_name(rows[0].metric)}, {probe_name(result.headline)} probe, {judged} minus each baseline: points"
    return grid(
        what + (", 95 % interval over the seeds" if any(r.ci95 for r in rows) else ""),
        (
            Entry(
                (representation_name(r.baseline),),
                (f"{r.split} split", amount_name(r.shots, r.labels)),
                Points(r.mean, r.ci95, len(r.per_seed)),
            )
            for r in rows
        ),
        left=("minus …",),
        notes=_about_intervals(rows),
    )


def gap_grid(result: Result) -> Grid | None:
    """What random splits promise too much, for the headline probe's overall accuracy and training from scratch."""
    rows = [r for r in result.gaps if r.probe in (result.headline, SUPERVISED) and r.metric in OVERALL]
    if not rows:
        return None
    return grid(
        f"random minus block split, {metric_name(rows[0].metric)}, points",
        (
            Entry(
                (representation_name(r.representation),),
                (amount_name(r.shots, r.labels),),
                Points(r.mean, r.ci95, len(r.per_seed)),
                r.representation in JUDGED,
            )
            for r in rows
        ),
        notes=(
            "what neighbouring training and test pixels give away, with the 95 % interval over the seeds",
            *_about_intervals(rows),
        ),
    )


def _about_intervals(rows: Sequence[Difference | Gap]) -> list[str]:
    return [NO_INTERVAL] if any(r.ci95 is None for r in rows) else []


def _unless_all(row: Row) -> str:
    """The number of labels; not worth a word where it is all of them, or where none was learned from."""
    amount = amount_name(row.shots, row.labels)
    return "" if amount == ALL else amount


def _percent(row: Row) -> Percent:
    return Percent(row.mean, row.sd)


def _ours(row: Row) -> bool:
    return row.representation in JUDGED
