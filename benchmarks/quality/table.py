"""The tables of the proving ground, each built once: as markdown for a page, and for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from benchmarks.quality.entries import UNTRAINED, Entry
from benchmarks.quality.leave_one_out import Choice, leave_one_out
from benchmarks.quality.rows import HARMLESS, HARMS, PAYS, UNSURE, Row, mean_difference, rows_of
from benchmarks.quality.sets import SETS
from benchmarks.quality.verdict import Agreement, Judged, agreement

LABELLED = ("accuracy", "R@1")
"""Metrics that means over rows are of; how well unknown classes are found stands by itself."""


class Table(NamedTuple):
    """A title, the names of the columns (the first one holds text, the others numbers), and rows of as many cells."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


class Results(NamedTuple):
    """What entries come to.

    Attributes:
        rows: of each contender, by set in the order of ``SETS``.
        runs: each contender on each set, with the run's own verdict.
    """

    rows: dict[str, list[Row]]
    runs: list[Judged]


def results_of(entries: Iterable[Entry]) -> Results:
    """The rows and runs of entries, each against the untrained entry of its set and seeds; without that, none."""
    entries = [entry for entry in entries if entry.set in SETS]
    untrained = {(entry.set, entry.seeds): entry for entry in entries if entry.contender == UNTRAINED}
    order = list(SETS)
    rows: dict[str, list[Row]] = {}
    runs: list[Judged] = []
    for entry in sorted(entries, key=lambda entry: order.index(entry.set)):
        against = untrained.get((entry.set, entry.seeds))
        if entry.contender == UNTRAINED or against is None:
            continue
        mine = rows_of(entry, against)
        rows.setdefault(entry.contender, []).extend(mine)
        labelled = [row for row in mine if row.metric in LABELLED]
        runs.append(Judged(entry.set, entry.contender, entry.verdict, mean_difference(labelled)))
    return Results(rows, runs)


def tables(results: Results, seeds: Sequence[int]) -> list[Table]:
    """All tables that there is something for."""
    found = [rows_table(contender, rows, seeds) for contender, rows in results.rows.items()]
    if found:
        found.append(summary_table(results.rows))
    for kind in dict.fromkeys(of.kind for of in SETS.values()):
        choices = leave_one_out(scores_of(results.rows, kind), {name: of.family for name, of in SETS.items()})
        found += [choices_table(kind, choices)] if choices else []
    if any(run.verdict is not None for run in results.runs):
        found.append(verdict_table(results.runs))
    return found


def rows_table(contender: str, rows: Sequence[Row], seeds: Sequence[int]) -> Table:
    """One row a set, kind of split and amount of labels.

    ``theirs`` is the best of all baselines and probes on the test samples; ``best`` ours with the probe that is best
    there, ``random`` the same encoder without training. ``even`` is ours minus the strongest baseline whose probe was
    chosen on training samples, too.
    """
    head = ("set, split, labels", "best untrained", "theirs", "ours", "probe", "best", "random")
    return Table(
        f"{contender}: accuracy in %, ours with the probe chosen on training samples, split seeds {_span(seeds)}",
        (*head, "difference", "95 %", "verdict", "even", "95 %"),
        [
            (
                f"{row.set}, {row.split}, {row.amount}" + ("" if row.metric == "accuracy" else f", {row.metric}"),
                _short(row.baseline),
                f"{row.theirs:.1f}",
                f"{row.ours:.1f}",
                _short(row.chosen),
                f"{row.ours_best:.1f}",
                "" if row.random is None else f"{row.random:.1f}",
                f"{row.difference:+.1f}",
                "" if row.low is None else f"{row.low:+.1f}..{row.high:+.1f}",
                row.word,
                f"{row.even:+.1f}",
                "" if row.even_low is None else f"{row.even_low:+.1f}..{row.even_high:+.1f}",
            )
            for row in rows
        ],
    )


def summary_table(rows: Mapping[str, Sequence[Row]]) -> Table:
    """Each contender on each kind of split: how often it pays, and the mean over sets of what it is ahead."""
    found = []
    for contender, mine in rows.items():
        for split in dict.fromkeys(row.split.partition(" ")[0] for row in mine):
            some = [row for row in mine if row.split.partition(" ")[0] == split]
            sets = list(dict.fromkeys(row.set for row in some))
            mean = fmean(mean_difference([row for row in some if row.set == name]) for name in sets)
            words = [row.word for row in some]
            counts = [str(words.count(word)) for word in (PAYS, HARMLESS, UNSURE, HARMS)]
            worst = min(some, key=lambda row: row.difference if row.low is None else row.low)
            least = worst.difference if worst.low is None else worst.low
            where = f"{least:+.1f} ({worst.set}, {worst.split}, {worst.amount})"
            even = fmean(fmean(row.even for row in some if row.set == name) for name in sets)
            found.append((f"{contender}, {split}", str(len(sets)), *counts, f"{mean:+.1f}", where, f"{even:+.1f}"))
    words_head = (PAYS, HARMLESS, UNSURE, HARMS)
    head = ("contender, split", "sets", *words_head, "mean over sets", "lowest end of an interval", "even")
    return Table("Does it pay?", head, found)


def scores_of(rows: Mapping[str, Sequence[Row]], kind: str) -> dict[str, dict[str, float]]:
    """Contender -> set of this kind -> mean difference of its labelled rows, in points."""
    found: dict[str, dict[str, float]] = {}
    for contender, mine in rows.items():
        labelled = [row for row in mine if row.metric in LABELLED and SETS[row.set].kind == kind]
        for name in dict.fromkeys(row.set for row in labelled):
            score = mean_difference([row for row in labelled if row.set == name])
            found.setdefault(contender, {})[name] = score
    return found


def choices_table(kind: str, choices: Sequence[Choice]) -> Table:
    """What is lost on a family of sets that had no say in the choice."""
    return Table(
        f"Leave one out, {kind}s: the best contender on all other families of sets",
        ("family left out", "chosen without", "chosen with", "points lost"),
        [(choice.family, choice.without, choice.best, f"{choice.lost:+.1f}") for choice in choices],
    )


def verdict_table(runs: Sequence[Judged]) -> Table:
    """Runs' own verdicts beside the labelled difference, and how well they agree."""
    said = [
        (
            f"{run.set}, {run.contender}",
            "" if run.verdict is None else f"{run.verdict:+.3f}",
            f"{run.difference:+.1f}",
            "" if run.verdict is None else "yes" if (run.verdict > 0) == (run.difference > 0) else "no",
        )
        for run in runs
    ]
    head = ("run", "verdict without labels", "ours - theirs", "same sign")
    return Table(f"Verdicts without labels: {agreement_line(agreement(runs))}", head, said)


def cells_table(entry: Entry) -> Table:
    """Every probe on every representation of an entry: means over seeds, in %."""
    probes = list(dict.fromkeys(_short(cell.probe) for cell in entry.cells))
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    for cell in entry.cells:
        value = f"{100 * fmean(cell.test):.1f}"
        lines.setdefault((*cell.place, cell.representation), {})[_short(cell.probe)] = value
    return Table(
        f"{entry.set}, {entry.contender}: all probes, split seeds {_span(entry.seeds)}",
        ("split, labels, metric, representation", *probes),
        [(", ".join(line), *(values.get(probe, "") for probe in probes)) for line, values in lines.items()],
    )


def agreement_line(found: Agreement) -> str:
    """How well verdicts agree, in a line."""
    if found.same_sign is None:
        return f"none of {found.silent} runs gives one"
    rank = "" if found.correlation is None else f", Spearman {found.correlation:+.2f}"
    silent = f", {found.silent} runs without one" if found.silent else ""
    return f"same sign in {found.same_sign:.0%} of {found.runs} runs{rank}{silent}"


def markdown(table: Table) -> str:
    """A table of GitHub's markdown under its title in bold."""
    lines = [table.head, ("---", *("---:" for _ in table.head[1:])), *table.rows]
    return "\n".join([f"**{table.title}**", "", *(f"| {' | '.join(line)} |" for line in lines), ""])


def plain(table: Table) -> str:
    """A table of text in columns, however wide, under its title."""
    widths = [max(map(len, column)) for column in zip(table.head, *table.rows)]

    def line(cells: Sequence[str]) -> str:
        return "  ".join([cells[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(cells[1:], widths[1:]))])

    return "\n".join([table.title, "", line(table.head), *map(line, table.rows), ""])


def _short(probe: str) -> str:
    """Prototypes by their distance alone."""
    return probe.replace("prototype ", "")


def _span(seeds: Sequence[int]) -> str:
    return f"{min(seeds)} to {max(seeds)}" if len(seeds) > 1 else str(seeds[0])
