"""`simclr compare`: results in, a table of paired differences out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eval.compare import compare
from eval.result_file import read_result
from eval.summary import write_result
from eval.table import NAMES


def run_compare(paths: Sequence[Path], *, output: Path | None = None, probe: str | None = None) -> None:
    """Compare results with the first of them, print a table, and write what was found.

    Args:
        paths: result files, or folders with a result.json.
        output: JSON file to write; None writes none.
        probe: which one is printed; None is the first result's headline. The file holds all.

    Raises:
        InputError: a result is missing or damaged, or they cannot be compared.
    """
    found = compare([read_result(path) for path in paths], _short_names(paths))
    console = Console()
    print_comparison(found, console, probe)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_result(found, output)
        console.print(f"written: {output}", soft_wrap=True, highlight=False)


def print_comparison(found: Mapping[str, Any], console: Console, probe: str | None = None) -> None:
    """Prints one line for each difference of one probe, in percentage points, and the notes.

    Args:
        found: as of ``eval.compare.compare``.
        console: where to.
        probe: which one; None is the headline, or every probe where the headline has no row.
    """
    probe = probe or found["headline"]
    rows = [row for row in found["rows"] if row["probe"] == probe] or found["rows"]
    console.print(Text(f"{found['source']['name']}, {', '.join(dict.fromkeys(r['probe'] for r in rows))}, %"))
    for other in dict.fromkeys(row["other"] for row in rows):
        mine = [row for row in rows if row["other"] == other]
        table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column("", no_wrap=True)
        for head in (mine[0]["first"], other, "difference", "95 % interval", "p"):
            table.add_column(head, justify="right", no_wrap=head in ("difference", "95 % interval", "p"))
        for row in mine:
            table.add_row(_what(row), *_numbers(row))
        console.print(table)
        for test in dict.fromkeys(row["test"] for row in mine if row["test"]):
            console.print(Text(test))
    for note in found["notes"]:
        console.print(Text(note))


def _what(row: Mapping[str, Any]) -> str:
    amount = f", {row['shots']} shots" if row["shots"] else f", {100 * row['labels']:g} %" if row["labels"] else ""
    return f"{row['split']}{amount}, {NAMES.get(row['metric'], row['metric'])}"


def _numbers(row: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    low_high = "" if row["ci95"] is None else " to ".join(_points(bound) for bound in row["ci95"])
    p = "" if row["p"] is None else f"{row['p']:.3f}" if row["p"] >= 0.001 else f"{row['p']:.0e}"
    return f"{100 * row['first_mean']:.1f}", f"{100 * row['other_mean']:.1f}", _points(row["mean"]), low_high, p


def _points(value: float) -> str:
    return f"{round(100 * value, 1) + 0.0:+.1f}"  # + 0.0: never -0.0


def _short_names(paths: Sequence[Path]) -> list[str]:
    """The last parts of the paths that tell them apart."""
    parts = [(path.parent if path.suffix == ".json" else path).absolute().parts for path in paths]
    if len(set(parts)) < len(parts):
        parts = [path.absolute().parts for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{i + 1}: {path}" for i, path in enumerate(paths)]
