"""Standard normal numbers for every pixel and band, cheaply."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from simclr.augment.addressed import Address

# A run is a row of the table: 4 MB, which stay in cache. Of a uniform's 24 bits, 11 choose a row of the first half of
# the table, 11 one of the second, and two are their signs.
_ROWS, _RUN = 1 << 12, 256


def noise_draws(shape: Sequence[int]) -> int:
    """Uniforms needed for a standard normal number a pixel and band of (C, H, W): one for each run of 256 numbers."""
    return -(-math.prod(shape) // _RUN)


def noise_field(u: Tensor, shape: Sequence[int]) -> Tensor:
    """Standard normal numbers: each run of 256 is the scaled sum of two random rows of a fixed table, signs random.

    A number of its own for each pixel would cost 100 times as much. Two runs have a row in common, and then a
    correlation of 0.5 or -0.5, once in 1,000 pairs; the correlation expected of any two numbers is 0. Runs go through
    the bands of a pixel, then on to the next pixel.

    Args:
        u: (B, noise_draws) uniform in [0, 1) with 24 bits.
        shape: (C, H, W).

    Returns:
        (B, C, H, W) float32, channels last in memory.

    Source: the shared table is from Salimans et al., "Evolution strategies as a scalable alternative to reinforcement
    learning", 2017, section 2.1.
    """
    word = (u * 2.0**24).int().view(-1)
    row = torch.stack((word >> 13, ((word >> 2) & 2047) + 2048), 1)
    weight = torch.stack((word & 1, (word >> 1) & 1), 1).mul_(2).sub_(1).float().mul_(math.sqrt(0.5))
    runs = F.embedding_bag(row, _table(u.device), mode="sum", per_sample_weights=weight)
    bands, height, width = shape
    numbers = runs.view(len(u), u.shape[1] * _RUN)[:, : math.prod(shape)]
    return numbers.unflatten(1, (height, width, bands)).permute(0, 3, 1, 2)


@torch.compiler.assume_constant_result
def _table(device: torch.device) -> Tensor:
    """(4096, 256) standard normal numbers, equal on every device and kept there; a constant of compiled code, which
    would draw them anew in each call."""
    return _drawn_table(device)


@lru_cache(maxsize=8)
def _drawn_table(device: torch.device) -> Tensor:
    ids = torch.arange(_ROWS)
    numbers = Address(0, 0, ids, torch.zeros_like(ids)).normal("noise table", _RUN).double()
    return ((numbers - numbers.mean()) / numbers.std()).float().to(device)
