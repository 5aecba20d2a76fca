"""A result as a short table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

NAMES = {"oa": "OA", "aa": "AA", "kappa": "κ × 100", "accuracy": "accuracy"}


def result_table(result: Mapping[str, Any], probe: str | None = None) -> Table:
    """Representations down, shots and metrics across: mean ± sd over the seeds, in percent.

    Args:
        result: as of ``eval.linear_eval.linear_eval``.
        probe: which one; None is the result's headline, or every probe where that is a single column.
    """
    headline = probe or result["headline"]
    rows = [r for r in result["rows"] if r["probe"] == headline]
    if probe is None and len({(r["shots"], r["metric"]) for r in rows}) == 1:
        rows = result["rows"]
    columns = list(dict.fromkeys((r["probe"], r["shots"], r["metric"]) for r in rows))
    n = len(result["seeds"])
    title = f"{result['source']['name']}, %, mean ± sd over {n} seed{'' if n == 1 else 's'}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for name, shots, metric in columns:
        head = f"{name}\n{NAMES[metric]}" if shots is None else f"{name}\n{shots} shots\n{NAMES[metric]}"
        table.add_column(head, justify="right", no_wrap=True)
    for representation in dict.fromkeys(r["representation"] for r in rows):
        mine = {(r["probe"], r["shots"], r["metric"]): r for r in rows if r["representation"] == representation}
        style = "bold" if representation == "pretrained" else ""
        table.add_row(representation, *(_cell(mine[c]) for c in columns), style=style)
    return table


def paired_lines(result: Mapping[str, Any], probe: str | None = None) -> list[str]:
    """One line for each baseline and number of shots: the paired difference in percentage points and its interval."""
    probe = probe or result["headline"]
    lines = []
    for row in result["paired"]:
        if row["probe"] != probe or row["metric"] not in ("oa", "accuracy"):
            continue
        where = "" if row["shots"] is None else f" at {row['shots']} shots"
        low_high = row["ci95"]
        sure = "" if low_high is None else f" (95 % interval {100 * low_high[0]:+.1f} to {100 * low_high[1]:+.1f})"
        name = row["difference"].replace(" - ", " − ")
        lines.append(f"{name}, {NAMES[row['metric']]}{where}: {100 * row['mean']:+.1f} points{sure}")
    return lines


def print_result(result: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints the table of the headline probe, the paired differences and whatever was left out."""
    console = console or Console()
    console.print(result_table(result))
    for line in paired_lines(result):
        console.print(Text(line))
    for skip in result["skipped"]:
        console.print(Text(f"{skip['probe']} was left out: {skip['why']}"))
    damaged = result.get("damaged", [])
    if damaged:
        console.print(Text(f"{len(damaged)} damaged images were left out: {', '.join(damaged[:5])}"))
    left_out = dict.fromkeys(name for split in result["splits"] for name in split["left_out"])
    if left_out:
        console.print(Text(f"left out, fewer than two samples: {', '.join(left_out)}"))


def _cell(row: Mapping[str, Any]) -> str:
    return f"{100 * row['mean']:.1f}" + ("" if row["sd"] is None else f" ±{100 * row['sd']:.1f}")
