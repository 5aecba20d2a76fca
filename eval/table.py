"""A result as a short table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

NAMES = {"oa": "OA", "aa": "AA", "kappa": "κ × 100", "accuracy": "accuracy"}


def result_tables(result: Mapping[str, Any], probe: str | None = None) -> list[tuple[str, Table]]:
    """A heading and a table for each kind of split: representations down, shots and metrics across, in percent.

    Args:
        result: as of ``eval.linear_eval.linear_eval``.
        probe: which one; None is the result's headline, or every probe where that is a single column.
    """
    headline = probe or result["headline"]
    tables = []
    for split in dict.fromkeys(r["split"] for r in result["rows"]):
        everything = [r for r in result["rows"] if r["split"] == split]
        rows = [r for r in everything if r["probe"] == headline]
        if probe is None and len({_column(r)[1:] for r in rows}) == 1:
            rows = everything
        # Training from scratch has no probe, and stands in the headline's columns.
        rows = [{**r, "probe": headline} if r["probe"] == "supervised" else r for r in everything if _shown(r, rows)]
        tables.append((f"{result['source']['name']}, {_about(result, split)}", _table(rows)))
    return tables


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = list(dict.fromkeys(_column(r) for r in rows))
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for name, shots, share, metric in columns:
        amount = f"{shots} shots\n" if shots else f"{100 * share:g} % labels\n" if share else ""
        table.add_column(f"{name}\n{amount}{NAMES[metric]}", justify="right", no_wrap=True)
    for representation in dict.fromkeys(r["representation"] for r in rows):
        mine = {_column(r): r for r in rows if r["representation"] == representation}
        style = "bold" if representation == "pretrained" else ""
        table.add_row(representation, *(_cell(mine[c]) if c in mine else "" for c in columns), style=style)
    return table


def _shown(row: Mapping[str, Any], chosen: Sequence[Mapping[str, Any]]) -> bool:
    return row["probe"] == "supervised" or any(row is other for other in chosen)


def _column(row: Mapping[str, Any]) -> tuple[str, int | None, float | None, str]:
    return row["probe"], row["shots"], row["labels"], row["metric"]


def _about(result: Mapping[str, Any], split: str) -> str:
    """What a split is, and how much of it leaks."""
    n = len(result["seeds"])
    text = f"{split} split, %, mean ± sd over {n} seed{'' if n == 1 else 's'}"
    mine = [s for s in result["splits"] if s["split"] == split]
    leaks = [s["leakage"] for s in mine if "leakage" in s]
    if leaks:
        inside, touching = (_range([round(100 * leak[k]) for leak in leaks]) for k in ("inside", "touching"))
        text += f"\ntest pixels inside / touching a training patch: {inside} / {touching} %"
    left_out = list(dict.fromkeys(name for s in mine for name in s["left_out"]))
    if left_out:
        text += f"\nclasses left out, as they cannot be shared (with at least one seed): {', '.join(left_out)}"
    return text


def _range(values: Sequence[int]) -> str:
    return f"{values[0]}" if min(values) == max(values) else f"{min(values)}-{max(values)}"


def paired_lines(result: Mapping[str, Any], probe: str | None = None) -> list[str]:
    """One line for each baseline, split and number of shots: the paired difference in points and its interval."""
    several = len({row["split"] for row in result["rows"]}) > 1
    lines = [
        f"{row['difference'].replace(' - ', ' − ')}, {row['split'] + ' split, ' if several else ''}{_difference(row)}"
        for row in _of(result, "paired", probe)
    ]
    return lines + [
        f"{row['gap'].replace(' - ', ' − ')} split, {row['representation']}, {_difference(row)}"
        for row in _of(result, "gaps", probe)
        if row["representation"] == "pretrained"
    ]


def _of(result: Mapping[str, Any], key: str, probe: str | None) -> list[Mapping[str, Any]]:
    probe = probe or result["headline"]
    return [r for r in result.get(key, []) if r["probe"] == probe and r["metric"] in ("oa", "accuracy")]


def _difference(row: Mapping[str, Any]) -> str:
    where = f" at {row['shots']} shots" if row["shots"] else f" at {100 * row['labels']:g} %" if row["labels"] else ""
    low_high = row["ci95"]
    sure = "" if low_high is None else f" (95 % interval {100 * low_high[0]:+.1f} to {100 * low_high[1]:+.1f})"
    return f"{NAMES[row['metric']]}{where}: {100 * row['mean']:+.1f} points{sure}"


def print_result(result: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints the tables of the headline probe, the paired differences and whatever was left out."""
    console = console or Console()
    for heading, table in result_tables(result):
        console.print(Text(heading))
        console.print(table)
    for line in paired_lines(result):
        console.print(Text(line))
    for skip in result["skipped"]:
        console.print(Text(f"{skip['probe']} was left out: {skip['why']}"))
    damaged = result.get("damaged", [])
    if damaged:
        console.print(Text(f"{len(damaged)} damaged images were left out: {', '.join(damaged[:5])}"))
    for entry in result.get("features", []):
        if entry["note"]:
            console.print(Text(f"features/{entry['file']}: {entry['note']}"))


def _cell(row: Mapping[str, Any]) -> str:
    return f"{100 * row['mean']:.1f}" + ("" if row["sd"] is None else f" ±{100 * row['sd']:.1f}")
