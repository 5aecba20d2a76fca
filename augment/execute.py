"""How a list of operations is carried out fast: in parts that fit a cache, and what can be one pass as one pass."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor

from simclr.augment.band_affine import BandAffine, BandOperation
from simclr.augment.base import AddressedOperation, Drawn, as_in_memory
from simclr.augment.flip import RandomFlip
from simclr.augment.needs import Need
from simclr.augment.resized_crop import RandomResizedCrop
from simclr.augment.rotation90 import RandomRotation90

# Values in a part: on a CPU they stay in cache from operation to operation; elsewhere this bounds the memory.
_CPU_VALUES = 1 << 21
_DEVICE_VALUES = 1 << 28

Operations = Mapping[str, AddressedOperation]


def parts(views: int, samples: int, shape: Sequence[int], device: torch.device) -> Iterator[slice]:
    """Slices of the rows of a batch (all samples of the first view, then of the next) to work on one after the other.

    Args:
        views: of each sample.
        samples: in the batch; without any, there is one empty slice.
        shape: (C, H, W) of a sample.
        device: on which the work is done.
    """
    cpu = device.type == "cpu"
    step = max(1, (_CPU_VALUES if cpu else _DEVICE_VALUES) // max(1, math.prod(shape)))
    # On a CPU no part is of two views, so that its samples are rows of the batch as they lie.
    blocks = [(view * samples, (view + 1) * samples) for view in range(views)] if cpu else [(0, views * samples)]
    for first, last in blocks:
        for start in range(first, max(last, first + 1), step):
            yield slice(start, min(start + step, last))


def work_key(operations: Operations, drawn: Mapping[str, Drawn]) -> Tensor | None:
    """(B,) integers: on a CPU, rows of one key go through the same and are best worked on side by side; None if any."""
    keys = (operation.work_key(drawn[name]) for name, operation in operations.items())
    return next((key for key in keys if key is not None), None)


def execute(
    operations: Operations,
    x: Tensor,
    rows: Tensor,
    drawn: Mapping[str, Drawn],
    mixed_in: Tensor | None = None,
) -> Tensor:
    """Apply operations one after the other.

    Args:
        operations: name -> operation.
        x: (N, C, H, W) in working units.
        rows: (B,) int64, the image of ``x`` that each row of the result is made of.
        drawn: name -> what was drawn for each row of the result.
        mixed_in: (B, C, H, W), what an operation that needs neighbours mixes into each row; other rows if None.

    Returns:
        (B, C, h, w).
    """

    def run_of(kind: type[AddressedOperation], names: Sequence[str]) -> list[str]:
        return list(itertools.takewhile(lambda name: isinstance(operations[name], kind), names))

    names, source = list(operations), cast(Tensor | None, rows)
    while names:
        operation, now = operations[names[0]], drawn[names[0]]
        flips = run_of(RandomFlip, names)
        after_flips = operations[names[len(flips)]] if len(flips) < len(names) else None
        given = {} if source is None else {"source": source}
        if isinstance(operation, RandomResizedCrop):
            # Flips that follow a crop cost nothing in its resampling, nor does a choice of images.
            flips = run_of(RandomFlip, names[1:])
            x = operation.apply_drawn(x, now, **given, **_mirrors(operations, flips, drawn))
            names, source = names[1 + len(flips) :], None
        elif isinstance(after_flips, RandomRotation90) and after_flips.p == 1.0:
            # Neither do flips before a turn in its move of pixels.
            turned = drawn[names[len(flips)]]
            x = after_flips.apply_drawn(x, turned, **given, **_mirrors(operations, flips, drawn))
            names, source = names[1 + len(flips) :], None
        elif source is not None:
            x, source = _rows(x, source), None
        elif Need.NEIGHBOURS in operation.needs and mixed_in is not None:
            x, names = operation.mix(x, mixed_in, now), names[1:]
        elif isinstance(operation, BandOperation):
            chain = run_of(BandOperation, names)
            affine = (cast(BandOperation, operations[name]).affine_drawn(drawn[name]) for name in chain)
            x, names = functools.reduce(BandAffine.then, affine).apply_(x), names[len(chain) :]
        else:
            x, names = operation.apply_drawn(x, now), names[1:]
    return x if source is None else _rows(x, source)


def _rows(x: Tensor, source: Tensor) -> Tensor:
    memory = as_in_memory(x)
    chosen = memory.index_select(0, source)
    return chosen if memory is x else chosen.permute(0, 3, 1, 2)


def _mirrors(operations: Operations, flips: Sequence[str], drawn: Mapping[str, Drawn]) -> dict[str, Tensor]:
    """Which samples flips mirror, under the name that crops and turns give it; two of one kind cancel."""
    mirrors: dict[str, Tensor] = {}
    for name in flips:
        key, applied = cast(RandomFlip, operations[name]).mirror, drawn[name].applied
        mirrors[key] = mirrors[key] ^ applied if key in mirrors else applied
    return mirrors
