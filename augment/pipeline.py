"""Several views of each sample of a batch, drawn on the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from inspect import Parameter
from typing import Any, cast

import torch
from torch import Tensor, nn

from simclr.augment import checks
from simclr.augment.addressed import MAX_VIEWS, Address
from simclr.augment.base import AddressedOperation, Drawn, check_images
from simclr.augment.execute import execute, parts, work_key
from simclr.augment.registry import OPERATIONS, arguments_of


class Views(nn.Module):
    """Random views of each sample, a pure function of (seed, epoch, sample id, view).

    Args:
        operations: name -> operation, applied in this order. The name is part of the address of the random numbers.
        views: how many views of each sample; or which, ascending numbers from 0: the others are drawn elsewhere.
        seed: of the run.
        before: raw batch -> working units, float; a cast to float32 if None.
        after: working units -> what the encoder takes; nothing if None.
        dtype: of the views; half precision where the encoder's first layer computes in it.
        neighbours: the address of the rows of all views but view 0 -> another sample for each of them, shaped like
            the batch, as its positive; the sample itself if None.
        mixed_in: the address of all rows -> what an operation that needs neighbours mixes into them, shaped like the
            batch; other rows that are worked on with them if None, so that a view then depends on its batch.

    Raises:
        ValueError: if ``views`` is not an integer in 1..256, or not ascending numbers in 0..255, ``seed`` no integer of
            64 bits, ``dtype`` no float, or ``operations`` are not operations by name.

    Example:
        >>> views = Views({"horizontal_flip": RandomHorizontalFlip()}, views=2, seed=0)
        >>> views(torch.rand(4, 3, 8, 8), torch.arange(4), epoch=0).shape
        torch.Size([2, 4, 3, 8, 8])
    """

    def __init__(
        self,
        operations: Mapping[str, AddressedOperation],
        *,
        views: int | Sequence[int],
        seed: int,
        before: Callable[[Tensor], Tensor] | None = None,
        after: Callable[[Tensor], Tensor] | None = None,
        neighbours: Callable[[Address], Tensor] | None = None,
        mixed_in: Callable[[Address], Tensor] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if not isinstance(operations, Mapping) or not all(
            isinstance(name, str) and isinstance(operation, AddressedOperation)
            for name, operation in operations.items()
        ):
            raise ValueError(
                f"operations is {checks.shown(operations)}, but must be names and operations of this package."
            )
        if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point or dtype.itemsize < 2:
            raise ValueError(f"dtype is {checks.shown(dtype)}, but must be float32, float64, bfloat16 or float16.")
        self.operations = nn.ModuleDict(operations)
        self.views = _view_numbers(views)
        self.seed = checks.integer("seed", seed, -(2**63), 2**64)
        self.before = before
        self.after = after
        self.neighbours = neighbours
        self.mixed_in = mixed_in
        self.dtype = dtype

    @property
    def band_operations(self) -> bool:
        """Whether any operation changes band values other than by moving or averaging pixels.

        If not, a linear map of the bands of each pixel commutes with the whole pipeline.
        """
        return any(operation.acts_on_bands for operation in self.named().values())

    def describe(self) -> list[str]:
        """One line per operation, in order: its name and arguments; first, where neighbours come from."""
        lines = [] if self.neighbours is None else [str(self.neighbours)]
        return lines + [f"{name}: {operation.describe()}" for name, operation in self.named().items()]

    @torch.no_grad()
    def forward(self, batch: Tensor, ids: Tensor, epoch: int) -> Tensor:
        """Draw the views of a batch.

        Args:
            batch: (b, C, H, W), any dtype that ``before`` takes.
            ids: (b,) int64, the id of each sample.
            epoch: 0 <= epoch < 2^24.

        Returns:
            (views, b, C', h, w) of ``dtype`` on the batch's device; each image channels last in memory.

        Raises:
            ValueError: if ``batch`` is not (b, C, H, W), ``ids`` are not one integer for each of its samples, or an
                operation does not take such images.
        """
        check_images("the batch", batch, (4,))
        if not isinstance(ids, Tensor):
            raise ValueError(f"ids are a {type(ids).__name__}, but must be a tensor: one integer for each sample.")
        if ids.dtype != torch.int64:
            raise ValueError(f"ids are {ids.dtype}, but must be torch.int64.")
        if ids.shape != batch.shape[:1]:
            raise ValueError(f"ids are {tuple(ids.shape)}, but the batch has {batch.shape[0]} samples.")
        # Autocast would resample in half precision.
        with torch.autocast(batch.device.type, enabled=False):
            address = self.address(ids.to(batch.device, non_blocking=True), epoch)
            samples = self._samples(batch, address)
            mixed_in = None if self.mixed_in is None else self.mixed_in(address)
            drawn = self.draw(address, batch.shape[1:])
            key = work_key(self.named(), drawn) if batch.device.type == "cpu" else None
            out: Tensor | None = None
            for rows in parts(len(self.views), len(ids), batch.shape[1:], batch.device):
                now = {name: d.of(rows) for name, d in drawn.items()}
                other = None if mixed_in is None else self._units(mixed_in[rows])
                order = torch.arange(rows.stop - rows.start, device=batch.device)
                if key is not None:
                    order = key[rows].argsort(stable=True)
                    now, other = {name: d.of(order) for name, d in now.items()}, None if other is None else other[order]
                x = execute(self.named(), self._units(_circular(samples, rows)), order, now, other)
                x = x if self.after is None else self.after(x)
                if out is None:
                    # What convolutions take, written while the part is still in cache.
                    whole = (len(address.ids), *x.shape[1:])
                    out = torch.empty(whole, dtype=self.dtype, device=x.device, memory_format=torch.channels_last)
                _put(out[rows], x, None if key is None else order)
        assert out is not None
        return out.unflatten(0, (len(self.views), len(ids)))

    def draw(self, address: Address, shape: Sequence[int]) -> dict[str, Drawn]:
        """Gate and parameters of each operation for the views' rows of samples of ``shape`` (C, H, W)."""
        now: tuple[int, ...] = (len(address.ids), *shape)
        uniforms, drawn = address.uniforms(self.request(now)), {}
        for name, operation in self.named().items():
            drawn[name] = operation.draw(uniforms[name], now)
            now = operation.output_shape(now)
        return drawn

    def address(self, ids: Tensor, epoch: int) -> Address:
        """The address of the views' rows: all samples of the first view, then of the next."""
        view = _on_device(self.views, ids.device).repeat_interleave(len(ids), output_size=len(self.views) * len(ids))
        return Address(self.seed, epoch, ids.repeat(len(self.views)), view)

    def _samples(self, batch: Tensor, address: Address) -> Tensor:
        """What the views are made of, raw: the batch where all are of the sample itself, else (views * b, C, H, W)."""
        if self.neighbours is None:
            return batch
        own = len(batch) if self.views[0] == 0 else 0
        others = self.neighbours(Address(self.seed, address.epoch, address.ids[own:], address.views[own:]))
        return torch.cat([batch[:own], others])

    def _units(self, raw: Tensor) -> Tensor:
        """Samples in working units."""
        return (raw if self.before is None else self.before(raw)).float()

    def output_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the views of samples of so many pixels."""
        shape: tuple[int, ...] = (1, 1, *size)
        for operation in self.named().values():
            shape = operation.output_shape(shape)
        return shape[-2], shape[-1]

    def named(self) -> dict[str, AddressedOperation]:
        """The operations by name, in the order in which they are applied."""
        return dict(self.operations.items())  # type: ignore[arg-type]

    def request(self, shape: tuple[int, ...]) -> dict[str, int]:
        """How many uniforms each operation takes for a row of a (B, C, H, W) batch in working units."""
        request = {}
        for name, operation in self.named().items():
            request[name] = 1 + operation.draws(shape)
            shape = operation.output_shape(shape)
        return request


def _circular(samples: Tensor, rows: slice) -> Tensor:
    """Rows of the samples repeated without end."""
    first, count = rows.start % max(1, len(samples)), rows.stop - rows.start
    if first + count <= len(samples):
        return samples[first : first + count]
    return samples.index_select(0, torch.arange(first, first + count, device=samples.device) % len(samples))


def _put(out: Tensor, x: Tensor, order: Tensor | None) -> None:
    """Row i of ``x`` (B, C, h, w) to row order[i] of ``out``, which lies channels last."""
    if order is None:
        out.copy_(x)
        return
    pixels = x.to(out.dtype, memory_format=torch.channels_last).permute(0, 2, 3, 1)
    torch.index_select(pixels, 0, order.argsort(), out=out.permute(0, 2, 3, 1))


@lru_cache(maxsize=64)
def _on_device(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    """(n,) int64, kept on the device, for a copy to it would wait for the device."""
    return torch.tensor(numbers, dtype=torch.int64, device=device)


def _view_numbers(views: int | Sequence[int]) -> tuple[int, ...]:
    if not checks.is_list(views):
        return tuple(range(checks.integer("views", cast(int, views), 1, MAX_VIEWS)))
    numbers = tuple(checks.integer("views", view, 0, MAX_VIEWS - 1) for view in cast(Sequence[int], views))
    if not numbers or list(numbers) != sorted(set(numbers)):
        raise ValueError(f"views is {checks.shown(views)}, but must be different numbers from 0, ascending.")
    return numbers


def build_views(
    operations: Mapping[str, Mapping[str, Any] | None],
    *,
    size: int | tuple[int, int],
    in_chans: int,
    views: int | Sequence[int],
    seed: int,
    before: Callable[[Tensor], Tensor] | None = None,
    after: Callable[[Tensor], Tensor] | None = None,
) -> Views:
    """Views from the augment section of a recipe.

    Args:
        operations: name -> keyword arguments of the operation, or None to leave it out. They are applied in the
            order of ``OPERATIONS``, whatever the order here.
        size: side of the incoming samples in pixels, or (height, width).
        in_chans: bands of the incoming samples.
        views: how many views of each sample, or which, as in ``Views``.
        seed: of the run.
        before: as in ``Views``.
        after: as in ``Views``.

    Raises:
        ValueError: in one line, for an unknown operation or argument, an argument out of range, an operation that
            does not suit ``in_chans``, or one that cannot work on samples of ``size``.
    """
    if not isinstance(operations, Mapping):
        raise ValueError(f"operations is {checks.shown(operations)}, but must be names and their arguments.")
    unknown = [name for name in operations if name not in OPERATIONS]
    if unknown:
        raise ValueError(f"augment.{unknown[0]} is not an operation: use one of {', '.join(OPERATIONS)}.")
    built: dict[str, AddressedOperation] = {}
    shape: tuple[int, ...] = (1, checks.integer("in_chans", in_chans, 1), *checks.image_size("size", size))
    for name in OPERATIONS:
        arguments = operations.get(name)
        if arguments is None:
            continue
        if not isinstance(arguments, Mapping):
            raise ValueError(f"augment.{name} is {checks.shown(arguments)}, but must be arguments and their values.")
        kind = OPERATIONS[name]
        known = {argument.name: argument.default for argument in arguments_of(kind)}
        wrong = [argument for argument in arguments if argument not in known]
        if wrong:
            raise ValueError(f"augment.{name}.{wrong[0]} is not an argument: use some of {', '.join(known)}.")
        missing = [p for p, default in known.items() if default is Parameter.empty and p not in arguments]
        if missing:
            raise ValueError(f"augment.{name}.{missing[0]} is missing: set it.")
        try:
            operation = kind(**arguments)
            operation.check_bands(in_chans)
            operation.check_size(shape[-2], shape[-1])
            shape = operation.output_shape(shape)
        except ValueError as error:
            raise ValueError(f"augment.{name}: {error}") from None
        built[name] = operation
    return Views(built, views=views, seed=seed, before=before, after=after)
