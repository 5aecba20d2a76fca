"""A few-shot result as short tables for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from eval.open_set.scores import SCORE, THRESHOLD
from eval.report.grids import episode_text
from eval.report.terminal import plain_table, side_by_side, terminal
from eval.results.words import amount_name, mean_sd_text, probe_name, representation_name, several
from eval.splits.amounts import fewer_shots_lines

Row = Mapping[str, Any]
RANKS = {
    "auroc": "AUROC",
    "fpr95 (known positive)": "FPR95 known",
    "fpr95 (unknown positive)": "FPR95 unkn.",
    "oscr": "OSCR",
}
DECISIONS = {
    "open_oa": "open OA",
    "known_accuracy": "known",
    "unknown_recall": "unknown",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
}
# Of one score and threshold for every representation: what the map shows.
OTHERS = {"open_oa": "open OA", "mapping_error": "map error", "mdl4ow_f1": "MDL4OW F1", "evml_open_oa": "EVML OA"}
# Characters of a number with its deviation, and of both columns of names on the left.
NUMBER, NAMES = 11, 38


def print_few_shot(result: Mapping[str, Any], console: Console) -> None:
    """Prints tables of the closed set, the episodes and the unknown classes, then what was left out."""
    n = several(len(result["seeds"]), "seed")
    for kind in dict.fromkeys(r["split"] for r in result["rows"]):
        _print_closed(result, kind, n, console)
    _print_episodes(result["episodes"], console)
    for key in dict.fromkeys(map(_split_of, result["open_set"])):
        rows = [r for r in result["open_set"] if _split_of(r) == key]
        splits = [s for s in result["splits"] if s["unknown"] and _split_of(s) == key]
        _print_open(rows, splits, n, console)
    for skip in result["skipped"]:
        console.print(Text(f"{skip['what']} was left out: {skip['why']}"))
    left_out = dict.fromkeys((s["split"], c) for s in result["splits"] if not s["unknown"] for c in s["left_out"])
    for kind in dict.fromkeys(kind for kind, _ in left_out):
        names = ", ".join(c for k, c in left_out if k == kind)
        console.print(Text(f"{kind} split, classes that cannot be shared (with at least one seed): {names}"))
    for line in fewer_shots_lines(result["fewer_shots"]):
        console.print(Text(line))
    if result["damaged"]:
        console.print(Text(f"{len(result['damaged'])} damaged images were left out"))
    for entry in result["features"]:
        if entry["note"]:
            console.print(Text(f"features/{entry['file']}: {entry['note']}"))


def _print_closed(result: Mapping[str, Any], kind: str, n: str, console: Console) -> None:
    seen = "\npretraining saw the test samples, without their labels" if result["transductive"] else ""
    leaks = _leaks([s for s in result["splits"] if s["split"] == kind and not s["unknown"]])
    console.print(Text(f"{result['source']['name']}, {kind} split: accuracy in %, mean ± sd over {n}{seen}{leaks}"))
    rows = [r for r in result["rows"] if r["metric"] == "oa" and r["split"] == kind]
    cells = {(r["representation"], r["probe"], amount_name(r)): r for r in rows}
    every = list(dict.fromkeys(map(amount_name, rows)))
    for amounts in side_by_side(every, [NUMBER] * len(every), console.width - NAMES):
        table = plain_table("", "probe")
        for amount in amounts:
            table.add_column(amount.replace(" of the labels", ""), justify="right", no_wrap=True)
        before = None
        for name, probe in dict.fromkeys((r["representation"], r["probe"]) for r in rows):
            mine = [cells.get((name, probe, amount)) for amount in amounts]
            fewest = min((len(r["per_seed"]) for r in mine if r), default=0)
            what = probe_name(probe) + ("" if fewest == len(result["seeds"]) else f", {several(fewest, 'seed')}")
            _add(table, name, before, what, mine)
            before = name
        console.print(table)
        console.print()


def _print_episodes(episodes: Sequence[Row], console: Console) -> None:
    for ways, queries, count in dict.fromkeys((e["ways"], e["queries"], e["episodes"]) for e in episodes):
        heading = f"{ways}-way episodes, {queries} queries a class: %, mean of {count:,} ± half its 95 % interval"
        console.print(Text(heading))
        shots = list(dict.fromkeys(e["shots"] for e in episodes))
        table = plain_table("", "distance")
        for k in shots:
            table.add_column(f"{k}-shot", justify="right", no_wrap=True)
        before = None
        for name in dict.fromkeys(e["representation"] for e in episodes):
            mine = {e["shots"]: e["accuracy"] for e in episodes if e["representation"] == name}
            for distance in mine[shots[0]]:
                table.add_row(
                    *_names(name, before, distance),
                    *(episode_text(mine[k][distance]) for k in shots),
                    style=_style(name),
                )
                before = name
        console.print(table)
        console.print()


def _print_open(rows: Sequence[Row], splits: Sequence[Row], n: str, console: Console) -> None:
    title = f"{rows[0]['split']} split, {amount_name(rows[0])}: %, mean ± sd over {n}"
    console.print(Text(f"{_unknown(splits)}\n{title}{_openness(rows)}{_leaks(splits)}"))
    console.print(Text("scores, no threshold"))
    ranks = [r for r in rows if r["threshold"] is None]
    _print_metrics(ranks, RANKS, lambda r: r["representation"], ("", "score"), console)
    # Decisions of the baselines are in the file; beside each other they would fill screens.
    name = rows[0]["representation"]
    console.print(Text(f"decisions with a threshold from training samples, {representation_name(name)}"))
    decisions = [r for r in rows if r["representation"] == name and r["threshold"] is not None]
    _print_metrics(decisions, DECISIONS, lambda r: r["threshold"], ("score", "threshold"), console, first="probe")
    console.print(Text(f"decisions by {SCORE}, {THRESHOLD}; MDL4OW F1, EVML OA: as the public code of these counts"))
    mapped = [r for r in rows if (r["probe"], r["threshold"]) == (SCORE, THRESHOLD)]
    _print_metrics(mapped, OTHERS, lambda r: r["representation"], ("", "score"), console)


def _print_metrics(
    rows: Sequence[Row],
    metrics: Mapping[str, str],
    other: Callable[[Row], str],
    heads: tuple[str, str],
    console: Console,
    first: str = "representation",
) -> None:
    """Two columns of words and one for each metric; the words are ``first`` and the score, or the other way round."""
    table = plain_table(*heads)
    for head in metrics.values():
        table.add_column(head, justify="right", no_wrap=True)
    before = None
    for probe, word in dict.fromkeys((r["probe"], other(r)) for r in rows):
        mine = {r["metric"]: r for r in rows if (r["probe"], other(r)) == (probe, word)}
        cells = [mine.get(m) for m in metrics]
        if first == "probe":
            table.add_row(probe_name(probe), word, *map(terminal, cells))
        else:
            _add(table, word, before, probe_name(probe), cells)
        before = word
    console.print(table)
    console.print()


def _split_of(row: Row) -> tuple[str, int | None, float | None]:
    return row["split"], row["shots"], row["labels"]


def _unknown(splits: Sequence[Row]) -> str:
    """The unknown classes by name, or how many, where they differ from seed to seed."""
    drawn = list(dict.fromkeys(tuple(s["unknown"]) for s in splits))
    if len(drawn) == 1:
        return f"unknown: {', '.join(drawn[0])}"
    return f"{len(drawn[0])} unknown classes, drawn for each seed" if drawn else "unknown classes"


def _openness(rows: Sequence[Row]) -> str:
    row = next((r for r in rows if r["metric"] == "openness"), None)
    return "" if row is None else f"\nopenness {mean_sd_text(row)} %"


def _leaks(splits: Sequence[Row]) -> str:
    """How many test pixels lie inside and touch a training patch, by amounts of labels."""
    shown: dict[str, list[Mapping[str, float]]] = {}
    for split in splits:
        if "leakage" in split:
            shown.setdefault(amount_name(split), []).append(split["leakage"])
    if not shown:
        return ""
    ranges = {
        amount: " / ".join(_percent([leak[k] for leak in leaks]) for k in ("inside", "touching"))
        for amount, leaks in shown.items()
    }
    several_amounts = len(set(ranges.values())) > 1
    texts = (f"{text} % ({amount})" if several_amounts else f"{text} %" for amount, text in ranges.items())
    return f"\ntest pixels inside / touching a training patch: {', '.join(dict.fromkeys(texts))}"


def _percent(shares: Sequence[float]) -> str:
    low, high = round(100 * min(shares)), round(100 * max(shares))
    return f"{low}" if low == high else f"{low} to {high}"


def _add(table: Table, name: str, before: str | None, what: str, cells: Sequence[Row | None]) -> None:
    table.add_row(*_names(name, before, what), *map(terminal, cells), style=_style(name))


def _names(name: str, before: str | None, what: str) -> tuple[str, str]:
    """The representation is written on its first line alone."""
    return ("" if name == before else representation_name(name)), what


def _style(name: str) -> str:
    return "bold" if name == "pretrained" else ""
