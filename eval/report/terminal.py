"""A result of linear evaluation as short tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any, TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eval.metrics.accuracy import ACCURACIES
from eval.metrics.statistics import FEWEST_FOR_INTERVAL
from eval.results.words import (
    amount_name,
    interval_points,
    mean_sd_text,
    metric_name,
    points,
    probe_name,
    representation_name,
    several,
)

Row = Mapping[str, Any]
T = TypeVar("T")
NO_INTERVAL = f"no interval where n, the number of seeds, is below {FEWEST_FOR_INTERVAL}"
# Characters of a column of differences, and of the names on the left.
DIFFERENCE, NAME = 15, 15


def print_result(result: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints the tables of the headline probe, the paired differences and whatever was left out."""
    console = console or Console()
    for heading, tables in result_tables(result, console.width):
        _print(heading, tables, console)
    _print(*difference_tables(result, console.width), console)
    for line in gap_lines(result):
        console.print(Text(line))
    for skip in result["skipped"]:
        console.print(Text(f"{probe_name(skip['probe'])} was left out: {skip['why']}"))
    damaged = result.get("damaged", [])
    if damaged:
        console.print(Text(f"{len(damaged)} damaged images were left out: {', '.join(damaged[:5])}"))
    for entry in result.get("features", []):
        if entry["note"]:
            console.print(Text(f"features/{entry['file']}: {entry['note']}"))


def result_tables(result: Mapping[str, Any], width: int = 80) -> list[tuple[str, list[Table]]]:
    """For each kind of split a heading and tables: representations down, shots and metrics across, in percent.

    They hold the headline probe, or every probe where that is a single column.

    Args:
        result: as of ``eval.linear_eval.linear_eval``.
        width: of the terminal; columns that do not fit make another table.
    """
    found = []
    for split in dict.fromkeys(r["split"] for r in result["rows"]):
        everything = [r for r in result["rows"] if r["split"] == split and r["metric"] in ACCURACIES]
        rows = [r for r in everything if r["probe"] == result["headline"]]
        every_probe = len({_amount_and_metric(r) for r in rows}) == 1
        if every_probe:
            rows = [r for r in everything if r["probe"] != "supervised"]
        # Training from scratch has no probe, and stands in the headline's columns.
        rows += [{**r, "probe": result["headline"]} for r in everything if r["probe"] == "supervised"]
        about = _about(result, split, None if every_probe else result["headline"])
        found.append((about, _tables(rows, every_probe, width)))
    return found


def _tables(rows: Sequence[Row], every_probe: bool, width: int) -> list[Table]:
    def column(row: Row) -> tuple[str, ...]:
        amount = "" if amount_name(row) == "all labels" else amount_name(row)
        heads = (probe_name(row["probe"]) if every_probe else "", amount, metric_name(row["metric"]))
        return tuple(head for head in heads if head)

    columns = list(dict.fromkeys(column(r) for r in rows))
    cells = {(r["representation"], column(r)): terminal(r) for r in rows}
    widths = [1 + max(map(len, [*heads, *(text for (_, c), text in cells.items() if c == heads)])) for heads in columns]
    tables = []
    for part in side_by_side(columns, widths, width - NAME):
        table = plain_table()
        for heads in part:
            table.add_column("\n".join(heads), justify="right", no_wrap=True)
        for name in dict.fromkeys(r["representation"] for r in rows):
            table.add_row(
                representation_name(name),
                *(cells.get((name, heads), "") for heads in part),
                style="bold" if name == "pretrained" else "",
            )
        tables.append(table)
    return tables


def _amount_and_metric(row: Row) -> tuple[int | None, float | None, str]:
    return row["shots"], row["labels"], row["metric"]


def _about(result: Mapping[str, Any], split: str, probe: str | None) -> str:
    """What a table shows, what the split is, and how much of it leaks."""
    of_probe = f", {probe_name(probe)} probe" if probe else ""
    seeds = several(len(result["seeds"]), "seed")
    text = f"{result['source']['name']}, {split} split{of_probe}: %, mean ± sd over {seeds}"
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
    return f"{values[0]}" if min(values) == max(values) else f"{min(values)} to {max(values)}"


def difference_tables(result: Mapping[str, Any], width: int = 80) -> tuple[str, list[Table]]:
    """Pretrained minus each baseline for the headline probe, in points, with the interval below; heading and tables."""
    rows = _headline(result, "paired")
    if not rows:
        return "", []
    columns = list(dict.fromkeys((f"{r['split']} split", amount_name(r)) for r in rows))
    cells = {(r["difference"], (f"{r['split']} split", amount_name(r))): r for r in rows}
    tables = []
    widths = [max(DIFFERENCE, 1 + max(map(len, heads))) for heads in columns]
    for part in side_by_side(columns, widths, width - NAME):
        table = plain_table("minus …")
        for heads in part:
            table.add_column("\n".join(heads), justify="right", no_wrap=True)
        for name in dict.fromkeys(r["difference"] for r in rows):
            baseline = representation_name(name.removeprefix("pretrained - "))
            table.add_row(baseline, *(_difference(cells.get((name, heads))) for heads in part))
        tables.append(table)
    heading = f"{metric_name(rows[0]['metric'])}, pretrained minus each baseline: points, 95 % interval over the seeds"
    some_without = any(r["ci95"] is None for r in rows)
    return heading + (f"\n{NO_INTERVAL}" if some_without else ""), tables


def _difference(row: Row | None) -> str:
    if row is None:
        return ""
    below = f"n = {len(row['per_seed'])}" if row["ci95"] is None else interval_points(row["ci95"])
    return f"{points(row['mean'])}\n{below}"


def gap_lines(result: Mapping[str, Any]) -> list[str]:
    """By how much random splits flatter the pretrained encoder, in one line."""
    rows = [r for r in _headline(result, "gaps") if r["representation"] == "pretrained"]
    if not rows:
        return []
    values = (
        f"{amount_name(r)} {points(r['mean'])}" + ("" if r["ci95"] is None else f" ({interval_points(r['ci95'])})")
        for r in rows
    )
    return [f"pretrained, random minus block split, {metric_name(rows[0]['metric'])}, points: {'; '.join(values)}"]


def _headline(result: Mapping[str, Any], key: str) -> list[Row]:
    return [r for r in result.get(key, []) if r["probe"] == result["headline"] and r["metric"] in ("oa", "accuracy")]


def side_by_side(columns: Sequence[T], widths: Sequence[int], room: int) -> list[Sequence[T]]:
    """Columns in groups as even as they can be, as few as leave every group ``room`` or less, or one column each."""
    n = len(columns)
    size = next((s for s in range(n, 1, -1) if all(sum(widths[i : i + s]) <= room for i in range(0, n, s))), 1)
    return [columns[i : i + size] for i in range(0, n, size)]


def plain_table(*left: str) -> Table:
    """A table without frames; ``left`` are the heads of the words on the left, one without a head by default."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    for head in left or ("",):
        table.add_column(head, no_wrap=True)
    return table


def terminal(row: Row | None) -> str:
    """Percent with the deviation, as narrow as it can be read."""
    return mean_sd_text(row).replace("± ", "±")


def _print(heading: str, tables: Sequence[Table], console: Console) -> None:
    if tables:
        console.print(Text(heading))
    for table in tables:
        console.print(table)
        console.print()


def print_comparison(found: Mapping[str, Any], rows: Sequence[Row], console: Console) -> None:
    """Prints one line for each difference, in percentage points, then tests and notes.

    Args:
        found: as of ``eval.results.compare.compare``.
        rows: those of it that are shown.
        console: where to.
    """
    probes = list(dict.fromkeys(row["probe"] for row in rows))
    of_probe = f", {probe_name(probes[0])} probe" if len(probes) == 1 else ""
    console.print(Text(f"{found['source']['name']}{of_probe}: %, differences on the same splits in points"))
    letters = {}
    for i, encoder in enumerate(found["encoders"]):
        letters[encoder["name"]] = letter = ascii_uppercase[i] if i < len(ascii_uppercase) else str(i + 1)
        sha = (encoder.get("sha256_before") or "")[:8]
        console.print(Text(f"{letter}  {encoder['name']}" + (f"  (encoder {sha}…)" if sha else "")))
    console.print()
    for other in dict.fromkeys(row["other"] for row in rows):
        mine = [row for row in rows if row["other"] == other]
        a, b = letters[mine[0]["first"]], letters[other]
        table = plain_table("")
        for head, width in ((a, 7), (b, 7), (f"{b} − {a}", 8), ("95 % interval", 16), ("p", 7)):
            table.add_column(head, justify="right", no_wrap=True, min_width=width)
        for row in mine:
            table.add_row(_what(row, len(probes) > 1), *_numbers(row))
        console.print(table)
        console.print()
    for line in [*_about_tests(rows, len(found["rows"])), *found["notes"]]:
        console.print(Text(line))


def _what(row: Row, with_probe: bool) -> str:
    amount = "" if amount_name(row) == "all labels" else amount_name(row).replace(" of the labels", "")
    parts = (row["split"], amount, metric_name(row["metric"]), probe_name(row["probe"]) if with_probe else "")
    return ", ".join(part for part in parts if part)


def _numbers(row: Row) -> tuple[str, str, str, str, str]:
    low_high = "" if row["ci95"] is None else interval_points(row["ci95"])
    p = "" if row["p"] is None else f"{row['p']:.3f}" if row["p"] >= 0.001 else f"{row['p']:.0e}"
    return f"{100 * row['first_mean']:.1f}", f"{100 * row['other_mean']:.1f}", points(row["mean"]), low_high, p


def _about_tests(rows: Sequence[Row], n_all: int) -> list[str]:
    """Which tests, what they can show at best, and how many there are."""
    lines = list(dict.fromkeys(row["test"] for row in rows if row["test"]))
    floors = {len(row["per_seed"]): row["p_floor"] for row in rows if row["p_floor"] is not None}
    lines += [
        f"with {n} splits p cannot be below {floor:.2g}: evaluate with more --seeds for less"
        for n, floor in floors.items()
        if floor > 0.01
    ]
    tested = sum(row["p"] is not None for row in rows)
    if tested > 1:
        lines.append(f"{several(tested, 'p value')}, not corrected for their number")
    if n_all > len(rows):
        lines.append(f"{len(rows)} of {n_all} differences are shown: see --probe, --split, --shots, --metric, --output")
    return lines
