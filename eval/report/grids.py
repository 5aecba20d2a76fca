"""A table before it is drawn: which values stand where.

Tables are built once, as grids; :mod:`eval.report.terminal` and :mod:`eval.report.html` write them, each as narrow or
as wide as it likes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple


@dataclass(frozen=True)
class Percent:
    """A fraction that is shown in percent, with what stands behind its ±; the caption says what that is."""

    mean: float | None
    spread: float | None = None


@dataclass(frozen=True)
class Points:
    """A difference of fractions that is shown in percentage points, with its 95 % interval.

    Attributes:
        mean: the difference.
        ci95: both ends; None where there are too few values, or where it stands elsewhere.
        n: how many values, for those without an interval.
    """

    mean: float
    ci95: tuple[float, float] | None = None
    n: int | None = None


Cell = Percent | Points | str | None
"""A number, words as they are, or nothing, which is a dash."""


@dataclass(frozen=True)
class GridRow:
    """A row: its names, a cell for each column, and whether it is of the representation that is judged."""

    names: tuple[str, ...]
    cells: tuple[Cell, ...]
    ours: bool = False


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        caption: what its numbers are, without a full stop; may begin in lower case.
        left: headings of the names, one for each name of a row.
        columns: headings of the cells, each in one or more parts, such as ``("OA", "5 shots")``.
        rows: from top to bottom. A first name that neighbours share is written once.
        notes: more sentences about the numbers, like the caption.
    """

    caption: str
    left: tuple[str, ...]
    columns: tuple[tuple[str, ...], ...]
    rows: tuple[GridRow, ...]
    notes: tuple[str, ...] = ()


class Entry(NamedTuple):
    """One value and its place: the names of its row, the heading of its column."""

    names: tuple[str, ...]
    column: tuple[str, ...]
    cell: Cell
    ours: bool = False


def grid(
    caption: str, entries: Iterable[Entry], *, left: tuple[str, ...] = ("",), notes: Iterable[str] = ()
) -> Grid | None:
    """Entries as a table: rows and columns in the order in which they first occur; None without an entry.

    A second value for a cell stands in a further row of the same names: nothing is lost.

    Args:
        caption, left, notes: of the table; see :class:`Grid`.
        entries: empty parts of a column's heading are left out.
    """
    entries = [entry._replace(column=tuple(part for part in entry.column if part)) for entry in entries]
    if not entries:
        return None
    columns = tuple(dict.fromkeys(entry.column for entry in entries))
    ours = {entry.names for entry in entries if entry.ours}
    filled: dict[tuple[tuple[str, ...], int], dict[tuple[str, ...], Cell]] = {}
    for entry in entries:
        again = next(n for n in count() if entry.column not in filled.get((entry.names, n), {}))
        filled.setdefault((entry.names, again), {})[entry.column] = entry.cell
    rows = tuple(
        GridRow(names, tuple(cells.get(column) for column in columns), names in ours)
        for (names, _), cells in filled.items()
    )
    return Grid(caption, left, columns, rows, tuple(notes))
