"""exp(cosine/T) of all pairs of rows, never all at once: tile by tile, and again when needed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple

import torch
from torch import Tensor

# Rows and columns of a tile. On a CPU between 256 x 1,024 and 512 x 8,192 all were within 10 % of each other.
_CPU_TILE = (1024, 2048)
_GPU_TILE = (4096, 4096)

_lock = Lock()
_users = 0
_before = "none"


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

    def row_sums(self, faults: Tensor | None = None) -> Tensor:
        """Σ_j E_ij of each own row, (own,).

        Args:
            faults: (2,) of 0; becomes 1: first if a weight is below 0, second if weights are not symmetric.
        """
        sums = self.unit.new_zeros(self.own)
        for tile, e in self._tiles(faults):
            sums[tile.rows] += e.sum(1)
            if tile.mirrored:
                sums[tile.columns] += e.sum(0)
        return sums

    def weighted_neighbours(self, r: Tensor, same_image: float = 0.0) -> Tensor:
        """Σ_j c_kj u_j of each own row k, (own, dim), with c_kj = E_kj (r_k + r_j).

        Args:
            r: (N,) in the dtype of ``unit``.
            same_image: added to c where k and j are different views of the same image.
        """
        found = torch.zeros_like(self.unit[: self.own])
        # Coefficients span more powers of ten than float16 has.
        operand = self.unit.to(torch.bfloat16) if self._low_operands else self.unit
        buffer = self._buffer()
        for tile, e in self._tiles():
            e *= torch.add(r[tile.rows, None], r[tile.columns], out=buffer[: e.numel()].view_as(e))
            if same_image:
                for diagonal in self._same_image(e, tile):
                    diagonal += same_image
                _clear_self(e, tile)
            with low_products(self.unit, self.low):
                _add_product(found[tile.rows], e, operand[tile.columns])
                if tile.mirrored:
                    _add_product(found[tile.columns], e.T, operand[tile.rows])
        return found

    def _tiles(self, faults: Tensor | None = None) -> Iterator[tuple[Tile, Tensor]]:
        """Every pair of an own row and a row, two own rows once for both; the tensor is overwritten by the next."""
        left, right = self.unit[: self.own] / self.temperature, self.unit
        if self._low_operands:
            left, right = left.to(self.low), right.to(self.low)
        buffer = self._buffer()
        for tile in _grid(self.own, len(self.unit), self.height, self.width):
            a, b = left[tile.rows], right[tile.columns]
            e = buffer[: len(a) * len(b)].view(len(a), len(b))
            with low_products(self.unit, self.low):
                _product(a, b.T, out=e)
            e.exp_()
            self._apply_weights(e, tile, faults)
            yield tile, e

    def _apply_weights(self, e: Tensor, tile: Tile, faults: Tensor | None) -> None:
        if self.weight is not None:
            w = self.weight(tile.rows, tile.columns)
            if complaint := complaint_of_weight(w, e.shape, e.device):
                raise ValueError(complaint)
            w = w.to(e.dtype, copy=True)  # to write on: it may be a view of what the caller keeps
            if faults is not None:
                self._find_faults(w, tile, faults)
            for diagonal in self._same_image(w, tile):
                diagonal.fill_(1.0)
            e *= w
        if not self.keep_positives:
            for diagonal in self._same_image(e, tile):
                diagonal.fill_(0.0)
        _clear_self(e, tile)

    def _find_faults(self, w: Tensor, tile: Tile, faults: Tensor) -> None:
        assert self.weight is not None
        back = w if tile.rows == tile.columns else self.weight(tile.columns, tile.rows).to(w.dtype)
        asymmetric = (w - back.mT).abs().amax() > 1e-4 * w.abs().amax()  # by more than rounding
        faults.copy_(torch.maximum(faults, torch.stack(((w < 0).any(), asymmetric)).to(faults.dtype)))

    def _same_image(self, e: Tensor, tile: Tile) -> Iterator[Tensor]:
        """Where row and column show the same image: every ``batch``-th diagonal of a tile of own rows, as views."""
        if tile.columns.start >= self.own:
            return
        last = e.shape[0] - 1
        first = (tile.rows.start - tile.columns.start + last) % self.batch - last
        for offset in range(first, e.shape[1], self.batch):
            yield e.diagonal(offset)

    @property
    def _low_operands(self) -> bool:
        """CUDA multiplies low operands into float32; a CPU rounds float32 operands by itself (`low_products`)."""
        return self.low is not None and self.unit.device.type == "cuda"

    def _buffer(self) -> Tensor:
        return self.unit.new_empty(self.height * self.width)


def complaint_of_weight(w: object, shape: Sequence[int], device: torch.device) -> str | None:
    """What is wrong with what a weight function gives for so many rows and columns, in a line."""
    if not isinstance(w, Tensor):
        return f"negative_weight gives a {type(w).__name__}, but must give a tensor of weights"
    if tuple(w.shape) != tuple(shape):
        return f"negative_weight gives {tuple(w.shape)} for {tuple(shape)} pairs of images"
    if w.is_complex():
        return "negative_weight gives complex numbers, but weights are bool or float"
    if w.device != device:
        return f"negative_weight gives weights on {w.device}, but z is on {device}"
    return None


def _grid(own: int, total: int, height: int, width: int) -> Iterator[Tile]:
    """Tiles that hold every pair of own rows (once, or mirrored) and every pair of an own row and another's."""
    for top in range(0, own, height):
        rows = slice(top, min(top + height, own))
        yield Tile(rows, rows, False)
        for left in range(rows.stop, own, width):
            yield Tile(rows, slice(left, min(left + width, own)), True)
        for left in range(own, total, width):
            yield Tile(rows, slice(left, min(left + width, total)), False)


def _clear_self(e: Tensor, tile: Tile) -> None:
    if tile.columns.start == tile.rows.start:
        e.diagonal().fill_(0.0)


def _product(a: Tensor, b: Tensor, out: Tensor) -> None:
    if a.dtype == out.dtype:
        torch.mm(a, b, out=out)
    else:
        torch.mm(a, b, out_dtype=out.dtype, out=out)


def _add_product(to: Tensor, a: Tensor, b: Tensor) -> None:
    if b.dtype == to.dtype:
        to.addmm_(a, b)
    else:  # addmm takes no dtype of its result everywhere
        to += torch.mm(a.to(b.dtype), b, out_dtype=to.dtype)


@contextmanager
def low_products(x: Tensor, low: torch.dtype | None) -> Iterator[None]:
    """Inside, products of float32 matrices may round operands to bfloat16, if ``low`` is that and ``x`` on a CPU.

    torch has no product of bfloat16 matrices with a float32 result on a CPU, but a switch for the whole process: it is
    on for as long as any thread is in here, so keep other float32 products out.
    """
    if low != torch.bfloat16 or x.device.type != "cpu":
        yield
        return
    global _users, _before
    switch = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    with _lock:
        if _users == 0:
            _before, switch.fp32_precision = switch.fp32_precision, "bf16"
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                switch.fp32_precision = _before
