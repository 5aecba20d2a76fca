"""Rows of a matrix that may be larger than the memory: read in tiles, a mapped file's pages given back meanwhile."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

from simclr.errors import InputError

TILE = 2**21
"""Numbers of a tile: 16 MB in float64."""
KEPT = 2**28
"""Bytes of a mapped file that may be touched before its pages are given back; they stay in the system's cache."""
AROUND = 2**16
"""Bytes that a system maps around one that is read, where they are in its cache."""
MOST_AT_ONCE = 2**27
"""Numbers of a file that are taken into the memory where all are wanted at once."""


class Rows:
    """Some rows of one matrix, or of several below one another; a number is read when it is asked for.

    It looks like a matrix: ``shape``, ``len``, ``x[ids]`` and ``x.split(n)``, which give tensors in memory, float32 or
    float64. Where that is all that is asked, a function takes a :data:`Matrix`.

    Args:
        parts: matrices (n, dim) of one width, each of any real type; memory-mapped ones stay on disk.
        ids: which rows of all, (m,) int64; None is all of them.
        then: what is done to each piece that is read, (b, dim) -> (b, dim').

    Example:
        >>> rows = Rows([np.eye(3), np.zeros((2, 3))]).rows(torch.tensor([0, 4]))
        >>> rows.shape, rows[torch.tensor([1, 0])].tolist()
        (torch.Size([2, 3]), [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    """

    def __init__(
        self, parts: Sequence[np.ndarray], ids: Tensor | None = None, then: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        self.parts, self.ids, self.then = tuple(parts), ids, then
        self._starts = torch.tensor([0, *(len(part) for part in parts)]).cumsum(0)
        self._read = 0

    def __len__(self) -> int:
        return int(self._starts[-1]) if self.ids is None else len(self.ids)

    @property
    def shape(self) -> torch.Size:
        """(n, dim), the width before ``then``."""
        return torch.Size([len(self), self.parts[0].shape[1]])

    def __getitem__(self, rows: Tensor) -> Tensor:
        """The rows at these places, of any shape (...,) int64: (..., dim)."""
        places = rows.flatten() if self.ids is None else self.ids[rows.flatten()]
        if len(self.parts) == 1:
            found = self._picked(self.parts[0], places)
        else:
            of = torch.searchsorted(self._starts, places, right=True) - 1
            pieces = [self._picked(part, places[of == i] - self._starts[i]) for i, part in enumerate(self.parts)]
            found = torch.cat(pieces)[torch.argsort(torch.argsort(of, stable=True))]
        return found.unflatten(0, rows.shape) if rows.dim() != 1 else found

    def split(self, rows: int) -> Iterator[Tensor]:
        """All rows in their order, so many at once: (rows, dim), the last ones fewer."""
        for start in range(0, len(self), rows):
            stop = min(start + rows, len(self))
            inside = [i for i in range(len(self.parts)) if self._starts[i] <= start and stop <= self._starts[i + 1]]
            if self.ids is None and inside:  # a piece of the file, without looking its rows up one by one
                first = int(self._starts[inside[0]])
                piece = self.parts[inside[0]][start - first : stop - first]
                yield self._ready(piece, piece.nbytes)
            else:
                yield self[torch.arange(start, stop)]

    def rows(self, ids: Tensor) -> Rows:
        """The rows at these places, (m,) int64; nothing is read."""
        first, last = (int(ids[0]), int(ids[-1])) if len(ids) else (0, -1)
        # A piece of one matrix needs no ids, and is read in one go.
        if self.ids is None and last - first == len(ids) - 1 >= 0 and bool((ids.diff() == 1).all()):
            for part, start in zip(self.parts, self._starts.tolist()):
                if start <= first and last < start + len(part):
                    return Rows([part[first - start : last + 1 - start]], None, self.then)
        return Rows(self.parts, ids if self.ids is None else self.ids[ids], self.then)

    def mapped(self, then: Callable[[Tensor], Tensor]) -> Rows:
        """The same rows with a function of each piece; nothing is read."""
        before = self.then
        return Rows(self.parts, self.ids, then if before is None else lambda piece: then(before(piece)))

    def _picked(self, part: np.ndarray, places: Tensor) -> Tensor:
        if not len(places):
            return self._ready(part[:0], 0)
        row = part.itemsize * part.shape[1]
        span = int(places.max() - places.min() + 1) * row
        return self._ready(part[places.numpy()], min(span, len(places) * (row + AROUND)))

    def _ready(self, piece: np.ndarray, touched: int) -> Tensor:
        self._read += touched
        usual = piece.dtype.isnative and piece.dtype.kind == "f" and piece.itemsize <= 8
        # A copy: whoever gets it may write into it, and a mapped file's pages can go.
        found = torch.from_numpy(np.array(piece, dtype=piece.dtype if usual else np.float64, order="C", subok=False))
        if self._read > KEPT:
            self._read = 0
            for part in self.parts:
                _give_back(part)
        found = found.float() if found.element_size() < 4 else found
        return found if self.then is None else self.then(found)


Matrix = Tensor | Rows
"""Features (n, dim) in memory, or rows that are read when they are asked for."""


def rows_of(x: Matrix, ids: Tensor) -> Matrix:
    """The rows at these places, (m,) int64: those of a tensor are copied, the others are not read."""
    return x.rows(ids) if isinstance(x, Rows) else x[ids]


def in_memory(x: Matrix, who: str) -> Tensor:
    """All rows, (n, dim) float32 or float64.

    Args:
        x: a matrix.
        who: wants it, for the error.

    Raises:
        InputError: rows on disk of more than ``MOST_AT_ONCE`` numbers.
    """
    if isinstance(x, Tensor):
        return x
    if x.shape.numel() > MOST_AT_ONCE:
        raise InputError(
            f"{who} takes all features at once, but {len(x):,} x {x.shape[1]:,} are more than {MOST_AT_ONCE:,}: leave "
            f"it out (--probes ridge,knn), or give fewer samples."
        )
    return torch.cat(list(tiles(x)))


def tiles(x: Matrix, width: int = 0) -> Iterator[Tensor]:
    """All rows of a matrix in their order, in pieces of about ``TILE`` numbers.

    Args:
        x: (n, dim).
        width: numbers that come of a row, where they are more than dim.
    """
    return iter(x.split(max(1, TILE // max(x.shape[1], width, 1))))


def labelled_tiles(x: Matrix, y: Tensor, width: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """:func:`tiles`, each with its part of y, (n,)."""
    first = 0
    for tile in tiles(x, width):
        yield tile, y[first : first + len(tile)]
        first += len(tile)


def digest(x: Rows) -> str:
    """SHA-256 of the numbers, as they are read."""
    found = hashlib.sha256(f"{tuple(x.shape)}".encode())
    for tile in tiles(x):
        found.update(tile.contiguous().view(torch.uint8).numpy().data)
    return found.hexdigest()


def unit_rows(x: Tensor) -> Tensor:
    """Rows of length 1, (n, dim) float64 of float64, else float32, whatever their scale; zeros stay zeros."""
    x = x if x.dtype == torch.float64 else x.float()
    least = torch.finfo(x.dtype).tiny
    # The largest entry becomes 1: the square of none is lost, be it 1e-20 or 1e20.
    x = x / x.abs().amax(1, keepdim=True).clamp_min(least)
    return x / x.norm(dim=1, keepdim=True).clamp_min(least)


def unit_of(x: Tensor) -> Tensor:
    """The power of two nearest the largest entry's size, float64 of no axes; 1 where all are zero.

    Divided by it, no digit changes, and squares and their sums are known in float32.
    """
    largest = x.abs().amax().double()
    return torch.exp2(largest.where(largest > 0, 1.0).log2().round())


def _give_back(part: np.ndarray) -> None:
    """The pages of a file that is mapped as it is: they are read again when they are needed."""
    file = getattr(part, "_mmap", None)
    # Not of a copy on write, whose changes are nowhere else.
    if isinstance(part, np.memmap) and part.mode != "c" and isinstance(file, mmap.mmap):
        with suppress(AttributeError):  # not every system has it
            file.madvise(mmap.MADV_DONTNEED)
