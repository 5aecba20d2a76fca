"""`simclr compare`: results in, a table of paired differences out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from rich.console import Console
from rich.text import Text

from eval.compare import compare
from eval.metrics import ACCURACIES
from eval.result_file import RESULT, read_result
from eval.summary import write_result
from eval.table import plain_table
from eval.words import amount_name, interval_points, metric_name, points, probe_name, several
from simclr.errors import InputError

Row = Mapping[str, Any]


def run_compare(
    paths: Sequence[Path],
    *,
    output: Path | None = None,
    probe: str | None = None,
    split: str | None = None,
    shots: str | None = None,
    metric: str | None = None,
) -> None:
    """Compare results with the first of them, print a table, and write what was found.

    Args:
        paths: result files, or folders with a result.json.
        output: JSON file to write; None writes none.
        probe: which ones are printed, with commas; None is the first result's headline. The file holds all.
        metric: likewise; None is the accuracies.
        split, shots: likewise; None is all of them. Shots are numbers, shares such as ``10%``, or ``all``.

    Raises:
        InputError: a result is missing or damaged, they cannot be compared, or what is asked for is in none.
    """
    found = compare([read_result(path) for path in paths], telling_names(paths))
    # Before anything is written: what was asked for may not exist.
    rows = choose(found, probe=probe, split=split, shots=shots, metric=metric)
    console = Console()
    print_comparison(found, rows, console)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_result(found, output)
        console.print(f"written: {output}", soft_wrap=True, highlight=False)


def choose(
    found: Mapping[str, Any],
    *,
    probe: str | None = None,
    split: str | None = None,
    shots: str | None = None,
    metric: str | None = None,
) -> list[Row]:
    """The rows of a comparison that are asked for, as in :func:`run_compare`.

    Raises:
        InputError: a name that no row has; says which ones there are.
    """
    rows: list[Row] = found["rows"]
    asked = {"probe": probe, "split": split, "shots": shots, "metric": metric}
    for option, text in asked.items():
        if text is None:
            continue
        there = {value.casefold(): value for value in (_value(row, option) for row in rows)}
        wanted = [part.strip() for part in text.split(",")]
        unknown = [part for part in wanted if part.casefold() not in there]
        if unknown:
            among = " among these" if len(rows) < len(found["rows"]) else ""
            shared = ", ".join(there.values())
            raise InputError(f"--{option} names {unknown[0]!r}, but{among} the results share {shared}")
        chosen = {part.casefold() for part in wanted}
        rows = [row for row in rows if _value(row, option).casefold() in chosen]
    usual = [row for row in rows if probe is not None or row["probe"] == found["headline"]]
    usual = [row for row in usual if metric is not None or row["metric"] in ACCURACIES]
    return usual or rows


def _value(row: Row, option: str) -> str:
    if option == "shots":
        return f"{row['shots']}" if row["shots"] else f"{100 * row['labels']:g}%" if row["labels"] else "all"
    return str(row[option])


def print_comparison(found: Mapping[str, Any], rows: Sequence[Row], console: Console) -> None:
    """Prints one line for each difference, in percentage points, then tests and notes.

    Args:
        found: as of ``eval.compare.compare``.
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


def telling_names(paths: Sequence[Path]) -> list[str]:
    """The parts of the paths that tell results apart: neither what all begin with nor what all end with."""
    parts = [list((path if path.suffix == ".json" else path / RESULT).absolute().parts) for path in paths]
    for end in (-1, 0):
        # At least one part stays of each.
        while min(map(len, parts)) > 1 and len({part[end] for part in parts}) == 1:
            for part in parts:
                part.pop(end)
    names = ["/".join(part) for part in parts]
    if len(set(names)) < len(names):  # the same file twice
        return [f"{path} ({i})" for i, path in enumerate(paths, start=1)]
    return names
