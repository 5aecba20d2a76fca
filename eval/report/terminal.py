"""Grids as tables on a terminal: narrow numbers, and as many tables as its width asks for."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TypeVar

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from simclr.eval.report.grids import Cell, Grid, GridRow, Percent, Points
from simclr.eval.results.words import interval_points, mean_sd_text, points, printable

T = TypeVar("T")
# Headings are wrapped where they are wider than this and than the numbers below.
HEADING = 10


def show(grid: Grid | None, console: Console) -> None:
    """Prints a grid: what it is, then tables that fit, each with all the names; nothing where there is none."""
    if grid is None:
        return
    for line in (grid.caption, *grid.notes):
        console.print(Text(printable(line)))
    for table in tables(grid, console.width):
        console.print(table)
        console.print()


def tables(grid: Grid, width: int) -> list[Table]:
    """The grid in tables of up to ``width`` characters, or of one column where that is wider."""
    cells = [[cell_text(cell) for cell in row.cells] for row in grid.rows]
    heads, widths = [], []
    for i, column in enumerate(grid.columns):
        wide = max((len(line) for row in cells for line in row[i].splitlines()), default=0)
        heads.append([line for part in column for line in wrap(part, max(HEADING, wide), break_long_words=False)])
        widths.append(1 + max([wide, *map(len, heads[i])]))
    names = [
        max([len(head), *(cell_len(printable(row.names[i])) for row in grid.rows)]) for i, head in enumerate(grid.left)
    ]
    room = width - sum(names) - len(names) + 1
    return [_table(grid, part, heads, cells) for part in side_by_side(range(len(heads)), widths, room)]


def _table(grid: Grid, columns: Sequence[int], heads: list[list[str]], cells: list[list[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    for head in grid.left:
        table.add_column(Text(head), no_wrap=True)
    for i in columns:
        table.add_column(Text("\n".join(heads[i])), justify="right", no_wrap=True)
    before = None
    for row, texts in zip(grid.rows, cells):
        words = (*map(printable, _names(row, before)), *(texts[i] for i in columns))
        # The name alone is marked: bold numbers would read as the best ones.
        names = len(row.names)
        table.add_row(*(Text(word, style="bold" if row.ours and i < names else "") for i, word in enumerate(words)))
        before = row
    return table


def _names(row: GridRow, before: GridRow | None) -> tuple[str, ...]:
    """A first name that the row above has, too, is written once."""
    again = len(row.names) > 1 and before is not None and before.names[0] == row.names[0]
    return ("", *row.names[1:]) if again else row.names


def cell_text(cell: Cell) -> str:
    """A cell as narrow as it can be read; an interval, or the number of values, stands below."""
    if isinstance(cell, Percent):
        return mean_sd_text(cell.mean, cell.spread).replace("± ", "±")
    if isinstance(cell, Points):
        return "\n".join(part for part in (points(cell.mean), _around(cell)) if part)
    return "–" if cell is None else cell


def line(grid: Grid) -> str:
    """What a grid of differences says of the representation that is judged, in one line."""
    rows = [row for row in grid.rows if row.ours]
    texts = [
        f"{', '.join(column)} {points(cell.mean)}" + (f" ({_around(cell)})" if _around(cell) else "")
        for row in rows
        for column, cell in zip(grid.columns, row.cells)
        if isinstance(cell, Points)
    ]
    names = ", ".join(dict.fromkeys(row.names[0] for row in rows))
    return f"{names}, {grid.caption}: {'; '.join(texts)}"


def _around(cell: Points) -> str:
    if cell.ci95 is not None:
        return interval_points(cell.ci95)
    return "" if cell.n is None else f"n = {cell.n}"


def side_by_side(columns: Sequence[T], widths: Sequence[int], room: int) -> list[Sequence[T]]:
    """Columns in groups as even as they can be, as few as leave every group ``room`` or less, or one column each."""
    n = len(columns)
    size = next((s for s in range(n, 1, -1) if all(sum(widths[i : i + s]) <= room for i in range(0, n, s))), 1)
    return [columns[i : i + size] for i in range(0, n, size)]
