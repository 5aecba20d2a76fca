"""exp(cosine/T) of all pairs of rows, never all at once: tile by tile, and again when needed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

# Rows and columns of a tile. On a CPU between 256 x 1,024 and 512 x 8,192 all were within 10 % of each other.
_CPU_TILE = (1024, 2048)
_GPU_TILE = (4096, 4096)


class Tile(NamedTuple):
    """Own rows against columns; ``mirrored``: it stands for its transpose too."""

    rows: slice
    columns: slice
    mirrored: bool


class Similarities:
    """E_ij = w_ij · exp(u_i·u_j / T) between own rows and all rows.

    Args:
        unit: all rows of the global batch, of length 1, (N, dim) float32 or float64; own rows first.
        batch: images among the own rows: two of these show the same image where their numbers differ by a multiple.
        temperature: T.
        own: how many rows are own.
        keep_positives: whether views of the same image count, in full; a row itself never does.
        weight: rows and columns → w of a tile, for rows that do not show the same image; 1 if None. Symmetric.
        low: bfloat16 or float16 for the operands of products, where that is faster; results stay in float32.
        tile: rows and columns of a tile; by default by the device.
    """

    def __init__(
        self,
        unit: Tensor,
        batch: int,
        temperature: float,
        *,
        own: int,
        keep_positives: bool = True,
        weight: Callable[[slice, slice], Tensor] | None = None,
        low: torch.dtype | None = None,
        tile: int | None = None,
    ) -> None:
        self.unit, self.batch, self.temperature, self.own = unit, batch, temperature, own
        self.keep_positives, self.weight, self.low = keep_positives, weight, low
        sides = (tile, tile) if tile else _CPU_TILE if unit.device.type == "cpu" else _GPU_TILE
        self.height, self.width = (min(side, len(unit)) for side in sides)

    def row_sums(self) -> Tensor:
        """Σ_j E_ij of each own row, (own,)."""
        sums = self.unit.new_zeros(self.own)
        with _low_products(self.unit, self.low):
            for tile, e in self._tiles():
                sums[tile.rows] += e.sum(1)
                if tile.mirrored:
                    sums[tile.columns] += e.sum(0)
        return sums

    def weighted_neighbours(self, r: Tensor) -> Tensor:
        """Σ_j E_kj (r_k + r_j) u_j of each own row k, (own, dim).

        Args:
            r: (N,) in the dtype of ``unit``.
        """
        found = torch.zeros_like(self.unit[: self.own])
        # Weights span more powers of ten than float16 has.
        operand = self._operand(self.unit, torch.bfloat16)
        buffer = self._buffer()
        with _low_products(self.unit, self.low):
            for tile, e in self._tiles():
                e *= torch.add(r[tile.rows, None], r[tile.columns], out=buffer[: e.numel()].view_as(e))
                _add_product(found[tile.rows], e, operand[tile.columns])
                if tile.mirrored:
                    _add_product(found[tile.columns], e.T, operand[tile.rows])
        return found

    def _tiles(self) -> Iterator[tuple[Tile, Tensor]]:
        """Every pair of an own row and a row, two own rows once for both; the tensor is overwritten by the next."""
        left = self._operand(self.unit[: self.own] / self.temperature, self.low)
        right = self._operand(self.unit, self.low)
        buffer = self._buffer()
        for tile in _grid(self.own, len(self.unit), self.height, self.width):
            a, b = left[tile.rows], right[tile.columns]
            e = buffer[: len(a) * len(b)].view(len(a), len(b))
            _product(a, b.T, out=e).exp_()
            self._apply_weights(e, tile)
            yield tile, e

    def _apply_weights(self, e: Tensor, tile: Tile) -> None:
        among_own = tile.columns.start < self.own
        if self.weight is not None:
            w = self.weight(tile.rows, tile.columns).to(e.dtype)
            if among_own:
                self._fill_same_image(w, tile, 1.0)
            e *= w
        if among_own and not self.keep_positives:
            self._fill_same_image(e, tile, 0.0)
        if tile.columns.start == tile.rows.start:
            e.fill_diagonal_(0.0)

    def _fill_same_image(self, e: Tensor, tile: Tile, value: float) -> None:
        """Where row and column are the same image: on every ``batch``-th diagonal."""
        last = e.shape[0] - 1
        first = (tile.rows.start - tile.columns.start + last) % self.batch - last
        for offset in range(first, e.shape[1], self.batch):
            e.diagonal(offset).fill_(value)

    def _operand(self, x: Tensor, low: torch.dtype | None) -> Tensor:
        """On CUDA, products take low operands and give float32; a CPU rounds float32 operands by itself."""
        return x.to(low) if self.low and low and x.device.type == "cuda" else x

    def _buffer(self) -> Tensor:
        return self.unit.new_empty(self.height * self.width)


def _grid(own: int, total: int, height: int, width: int) -> Iterator[Tile]:
    """Tiles that hold every pair of own rows (once, or mirrored) and every pair of an own row and another's."""
    for top in range(0, own, height):
        rows = slice(top, min(top + height, own))
        yield Tile(rows, rows, False)
        for left in range(rows.stop, own, width):
            yield Tile(rows, slice(left, min(left + width, own)), True)
        for left in range(own, total, width):
            yield Tile(rows, slice(left, min(left + width, total)), False)


def _product(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    if a.dtype == out.dtype:
        return torch.mm(a, b, out=out)
    return torch.mm(a, b, out_dtype=out.dtype, out=out)


def _add_product(to: Tensor, a: Tensor, b: Tensor) -> None:
    if b.dtype == to.dtype:
        to.addmm_(a, b)
    else:
        to += torch.mm(a.to(b.dtype), b, out_dtype=to.dtype)


@contextmanager
def _low_products(unit: Tensor, low: torch.dtype | None) -> Iterator[None]:
    """On a CPU, let float32 products round their operands to bfloat16 where it has instructions for that.

    torch has no product of bfloat16 matrices with a float32 result there, but this switch for the whole process.
    """
    if low != torch.bfloat16 or unit.device.type != "cpu":
        yield
        return
    switch = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = switch.fp32_precision
    switch.fp32_precision = "bf16"
    try:
        yield
    finally:
        switch.fp32_precision = before
