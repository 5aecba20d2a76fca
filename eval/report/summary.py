"""What the judging commands print at their end: tables, and sentences about what stands in none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from string import ascii_uppercase

from rich.console import Console
from rich.text import Text

from simclr.eval.report.compare_grid import comparison_grids
from simclr.eval.report.few_shot_brief import brief_grids, brief_words
from simclr.eval.report.few_shot_grids import (
    closed_grid,
    episode_grids,
    open_grid,
)
from simclr.eval.report.few_shot_words import few_shot_findings
from simclr.eval.report.grids import Grid
from simclr.eval.report.linear_brief import accuracy_briefs, difference_brief, fewer_shots_brief
from simclr.eval.report.linear_grids import accuracy_grid, difference_grid, gap_grid, quality_grid
from simclr.eval.report.objective_grids import objective_grids
from simclr.eval.report.open_words import open_findings
from simclr.eval.report.prose import (
    damaged_text,
    excluded_text,
    fewer_shots_lines,
    findings,
    what_pretraining_saw,
    worse_elsewhere,
)
from simclr.eval.report.select import kinds, known_splits, leakage_note, skipped_name, unknown_note
from simclr.eval.report.terminal import line, show
from simclr.eval.results.called import as_called
from simclr.eval.results.comparison import ComparedRow, Comparison
from simclr.eval.results.record import Result
from simclr.eval.results.words import printable, several


def print_result(result: Result, console: Console, all_scores: bool = False) -> None:
    """Prints what it comes to, tables of linear evaluation (accuracies, differences to the baselines), then what was
    left out.

    Args:
        result: of linear evaluation.
        console: where to.
        all_scores: print every accuracy, amount of labels and difference, and what is said beside accuracies (of the
            first kind of split), and not the overall accuracy alone.
    """
    result = as_called(result)
    _say([*_headline(result), *worse_elsewhere(result), ""], console)
    if not all_scores:
        for table in [*accuracy_briefs(result), difference_brief(result)]:
            show(table, console)
        _say([*_left_out(result), *fewer_shots_brief(result.fewer_shots)], console)
        _say(["Every metric, amount of labels and difference: --all-scores, or simclr report."], console)
        return
    for kind in kinds(result.rows):
        show(_of(result, accuracy_grid(result, kind), leakage_note(known_splits(result, kind))), console)
    show(difference_grid(result), console)
    gaps = gap_grid(result)
    _say([line(gaps)] if gaps else [], console)
    for kind in kinds(result.rows)[:1]:
        show(quality_grid(result, kind, spread=False), console)
    _say([*_left_out(result), *fewer_shots_lines(result.fewer_shots)], console)


def print_few_shot(result: Result, console: Console, all_scores: bool = False) -> None:
    """Prints what it comes to, tables of closed set, episodes, unknown classes and objectives, then what was left out.

    Args:
        result: of few-shot evaluation.
        console: where to.
        all_scores: print every probe, score, threshold and difference, and not the headline's alone.
    """
    result = as_called(result)
    if all_scores:
        _say([*_headline(result), *few_shot_findings(result), *_of_unknown(result), ""], console)
        _print_all(result, console)
        _say([*_left_out(result), *fewer_shots_lines(result.fewer_shots)], console)
        return
    _say([*_headline(result), *worse_elsewhere(result), *brief_words(result), ""], console)
    for table in brief_grids(result):
        show(table, console)
    _say([*_left_out(result), *fewer_shots_brief(result.fewer_shots)], console)
    _say(["Every probe, score, threshold and difference: --all-scores, or simclr report."], console)


def _print_all(result: Result, console: Console) -> None:
    for kind in kinds(result.rows):
        leaks = leakage_note(known_splits(result, kind))
        show(_of(result, closed_grid(result, kind), leaks), console)
        show(quality_grid(result, kind, spread=False), console)
    for grid in episode_grids(result):
        show(grid, console)
    if result.open_set:
        show(open_grid(result), console)
    for grid in objective_grids(result):
        show(grid, console)


def print_comparison(found: Comparison, rows: Sequence[ComparedRow], console: Console) -> None:
    """Prints one line for each difference, in percentage points, then tests and notes.

    Args:
        found: as of ``simclr.eval.results.compare.compare``.
        rows: those of it that are shown.
        console: where to.
    """
    letters = {}
    for i, encoder in enumerate(found.encoders):
        letters[encoder.name] = letter = ascii_uppercase[i] if i < len(ascii_uppercase) else str(i + 1)
        sha = (encoder.sha256_before or "")[:8]
        _say([f"{letter}  {encoder.name}" + (f"  (encoder {sha}…)" if sha else "")], console)
    console.print()
    for grid in comparison_grids(found, rows, letters):
        show(grid, console)
    _say([*_about_tests(rows, len(found.rows)), *found.notes], console)


def _say(lines: Iterable[str], console: Console) -> None:
    for text in lines:
        console.print(Text(printable(text)))


def _of(result: Result, grid: Grid | None, notes: Sequence[str]) -> Grid | None:
    """A table that begins with the name of the data, and what else a page says elsewhere."""
    name = f"{result.source.name}, " if result.source.name else ""
    return grid and replace(grid, caption=f"{name}{grid.caption}", notes=(*notes, *grid.notes))


def _headline(result: Result) -> list[str]:
    """What it comes to, as at the head of a report, what pretraining saw, and which samples no split may use."""
    excluded = excluded_text(result)
    return [*findings(result), f"{what_pretraining_saw(result)}.", *([excluded] if excluded else [])]


def _of_unknown(result: Result) -> list[str]:
    """Which classes were unknown, and what came of it."""
    return [unknown_note(result.splits), *open_findings(result)] if result.open_set else []


def _left_out(result: Result) -> list[str]:
    lines = [f"{skipped_name(skip)} was left out: {skip.why}" for skip in result.skipped]
    lines += [damaged_text(result)] if result.damaged else []
    return lines + [f"features/{entry.file}: {entry.note}" for entry in result.features if entry.note]


def _about_tests(rows: Sequence[ComparedRow], n_all: int) -> list[str]:
    """Which tests, what they can show at best, and how many there are."""
    lines = list(dict.fromkeys(row.test for row in rows if row.test))
    floors = {len(row.per_seed): row.p_floor for row in rows if row.p_floor is not None}
    lines += [
        f"with {n} splits p cannot be below {floor:.2g}: evaluate with more --seeds for less"
        for n, floor in floors.items()
        if floor > 0.01
    ]
    tested = sum(row.p is not None for row in rows)
    if tested > 1:
        lines.append(f"{several(tested, 'p value')}, not corrected for their number")
    if n_all > len(rows):
        lines.append(f"{len(rows)} of {n_all} differences are shown: see --probe, --split, --shots, --metric, --output")
    return lines
