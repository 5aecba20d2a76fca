"""How a list of operations is carried out fast: in parts that fit a cache, with flips inside the crop's resampling."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor

from augment.base import AddressedOperation
from augment.flip import RandomFlip
from augment.neighbour_mixture import RandomNeighbourMixture
from augment.resized_crop import RandomResizedCrop
from augment.rotation90 import RandomRotation90

# Values in a part: on a CPU they stay in cache from operation to operation; elsewhere this bounds the memory.
_CPU_VALUES = 1 << 20
_DEVICE_VALUES = 1 << 28


def parts(rows: int, shape: Sequence[int], device: torch.device) -> Iterator[slice]:
    """Slices of a batch that are worked on one after the other; at least one, however small the batch.

    Args:
        rows: of the batch.
        shape: what belongs to a row.
        device: on which the work is done.
    """
    values = _CPU_VALUES if device.type == "cpu" else _DEVICE_VALUES
    step = max(1, values // max(1, math.prod(shape)))
    return (slice(start, min(start + step, rows)) for start in range(0, max(rows, 1), step))


def execute(
    operations: Mapping[str, AddressedOperation],
    x: Tensor,
    uniforms: Mapping[str, Tensor],
    mixed_in: Tensor | None = None,
) -> Tensor:
    """Apply operations one after the other.

    Args:
        operations: name -> operation.
        x: (B, C, H, W) in working units; may be overwritten.
        uniforms: name -> (B, 1 + draws).
        mixed_in: (B, C, H, W), what ``neighbour_mixture`` mixes into each row; other rows of ``x`` if None.

    Returns:
        (B, C, h, w).
    """
    names = list(operations)
    done = 0
    while done < len(names):
        name = names[done]
        operation, u = operations[name], uniforms[name]
        done += 1
        if isinstance(operation, RandomNeighbourMixture) and mixed_in is not None:
            x = operation.mix(x, mixed_in, u)
        elif isinstance(operation, RandomResizedCrop):
            # Flips that follow a crop cost nothing in its resampling; those before a turn nothing in its move.
            flips = list(itertools.takewhile(lambda name: isinstance(operations[name], RandomFlip), names[done:]))
            x = operation.apply_addressed(x, u, **_mirrors(operations, flips, uniforms))
            done += len(flips)
        elif isinstance(operation, RandomFlip):
            flips = list(itertools.takewhile(lambda name: isinstance(operations[name], RandomFlip), names[done - 1 :]))
            turn = names[done - 1 + len(flips)] if done - 1 + len(flips) < len(names) else name
            rotation = operations[turn]
            if isinstance(rotation, RandomRotation90) and rotation.p == 1.0:
                x = rotation.apply_addressed(x, uniforms[turn], **_mirrors(operations, flips, uniforms))
                done += len(flips)
            else:
                x = operation.apply_addressed(x, u)
        else:
            x = operation.apply_addressed(x, u)
    return x


def _mirrors(
    operations: Mapping[str, AddressedOperation], flips: Sequence[str], uniforms: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Which samples flips mirror, under the name that crops and turns give it; two of one kind cancel."""
    mirrors: dict[str, Tensor] = {}
    for name in flips:
        flip = cast(RandomFlip, operations[name])
        applied = uniforms[name][:, 0] < flip.p
        mirrors[flip.mirror] = mirrors[flip.mirror] ^ applied if flip.mirror in mirrors else applied
    return mirrors
