"""A few-shot result as short tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from eval.table import plain_table, side_by_side, terminal
from eval.words import amount_name, probe_name, representation_name, several

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
    "mapping_error": "map error",
}
# Characters of a number with its deviation, and of both columns of names on the left.
NUMBER, NAMES = 11, 38


def print_few_shot(result: Mapping[str, Any], console: Console) -> None:
    """Prints tables of the closed set, the episodes and the unknown classes, then what was left out."""
    n = several(len(result["seeds"]), "seed")
    _print_closed(result, n, console)
    _print_episodes(result["episodes"], console)
    for shots in dict.fromkeys(r["shots"] for r in result["open_set"]):
        these = [r for r in result["open_set"] if r["shots"] == shots]
        _print_open(these, f"unknown classes, {amount_name(these[0])}, %, mean ± sd over {n}", console)
    for skip in result["skipped"]:
        console.print(Text(f"{skip['what']} was left out: {skip['why']}"))
    left_out = dict.fromkeys(c for s in result["splits"] for c in s["left_out"])
    if left_out:
        console.print(Text(f"classes left out, fewer than two samples: {', '.join(left_out)}"))
    if result["damaged"]:
        console.print(Text(f"{len(result['damaged'])} damaged images were left out"))


def _print_closed(result: Mapping[str, Any], n: str, console: Console) -> None:
    seen = ", pretraining saw the test samples unlabelled" if result["transductive"] else ""
    console.print(Text(f"{result['source']['name']}: accuracy in %, mean ± sd over {n}{seen}"))
    rows = [r for r in result["rows"] if r["metric"] == "oa"]
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


def _print_open(rows: Sequence[Row], title: str, console: Console) -> None:
    console.print(Text(f"scores, {title}"))
    table = plain_table("", "score")
    for head in RANKS.values():
        table.add_column(head, justify="right", no_wrap=True)
    ranks = [r for r in rows if r["threshold"] is None]
    before = None
    for name, probe in dict.fromkeys((r["representation"], r["probe"]) for r in ranks):
        mine = {r["metric"]: r for r in ranks if (r["representation"], r["probe"]) == (name, probe)}
        _add(table, name, before, probe_name(probe), [mine.get(m) for m in RANKS])
        before = name
    console.print(table)
    console.print()
    # Decisions of the baselines are in the file; beside each other they would fill screens.
    name = rows[0]["representation"]
    decisions = [r for r in rows if r["representation"] == name and r["threshold"] is not None]
    console.print(Text(f"decisions with a threshold ({representation_name(name)}), {title}"))
    table = plain_table("score", "threshold")
    for head in DECISIONS.values():
        table.add_column(head, justify="right", no_wrap=True)
    for probe, threshold in dict.fromkeys((r["probe"], r["threshold"]) for r in decisions):
        mine = {r["metric"]: r for r in decisions if (r["probe"], r["threshold"]) == (probe, threshold)}
        table.add_row(probe_name(probe), threshold, *(terminal(mine.get(m)) for m in DECISIONS))
    console.print(table)
    console.print()


def _add(table: Table, name: str, before: str | None, what: str, cells: Sequence[Row | None]) -> None:
    table.add_row(*_names(name, before, what), *map(terminal, cells), style=_style(name))


def _names(name: str, before: str | None, what: str) -> tuple[str, str]:
    """The representation is written on its first line alone."""
    return ("" if name == before else representation_name(name)), what


def _style(name: str) -> str:
    return "bold" if name == "pretrained" else ""


def episode_text(accuracy: Mapping[str, Any] | None) -> str:
    """Mean accuracy over episodes in percent, with half of its interval."""
    if accuracy is None:
        return "–"
    low_high = accuracy["ci95"]
    return f"{100 * accuracy['mean']:.1f}" + ("" if low_high is None else f" ±{50 * (low_high[1] - low_high[0]):.1f}")
