"""The table of a comparison: both means, their difference, its interval and p, one line for each measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simclr.eval.report.grids import Entry, Grid, Percent, Points, grid
from simclr.eval.results.comparison import ComparedRow, Comparison
from simclr.eval.results.words import amount_name, interval_points, metric_name, probe_name


def comparison_grids(found: Comparison, rows: Sequence[ComparedRow], letters: Mapping[str, str]) -> list[Grid]:
    """A table for each result that stands against the first.

    Args:
        found: what was compared.
        rows: those of it that are shown.
        letters: what stands for each result's name.
    """
    probes = list(dict.fromkeys(row.probe for row in rows))
    of_probe = f", {probe_name(probes[0])} probe" if len(probes) == 1 else ""
    tables = []
    for other in dict.fromkeys(row.other for row in rows):
        mine = [row for row in rows if row.other == other]
        a, b = letters[mine[0].first], letters[other]
        entries = []
        for row in mine:
            names = (_what(row, len(probes) > 1),)
            entries += [
                Entry(names, (a,), Percent(row.first_mean)),
                Entry(names, (b,), Percent(row.other_mean)),
                Entry(names, (f"{b} − {a}",), Points(row.mean)),
                Entry(names, ("95 % interval",), "" if row.ci95 is None else interval_points(row.ci95)),
                Entry(names, ("p",), _p(row.p)),
            ]
        tables.append(grid(f"{found.source.name}{of_probe}: %, differences on the same splits in points", entries))
    return [table for table in tables if table]


def _what(row: ComparedRow, with_probe: bool) -> str:
    amount = amount_name(row.shots, row.labels).replace(" of the labels", "") if row.shots or row.labels else ""
    parts = (
        row.split,
        amount,
        row.objective or "",
        metric_name(row.metric),
        probe_name(row.probe) if with_probe else "",
    )
    return ", ".join(part for part in parts if part)


def _p(p: float | None) -> str:
    return "" if p is None else f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"
