"""Hashes of what a source holds: data sets, and single samples, are then never taken for others."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

HASHED_AT_ONCE = 4096
"""Samples that are hashed together."""
SINGLE_ROWS_AT_ONCE = 256
"""Samples that are held at once while each is hashed by itself."""


class ContentHash:
    """SHA-256 of facts and tensors, in the order in which they are given.

    Args:
        facts: the first of them: of what kind the content is, and whatever else tells two contents apart.
    """

    def __init__(self, *facts: object) -> None:
        self._digest = hashlib.sha256()
        self.note(*facts)

    def note(self, *facts: object) -> None:
        """Adds facts: names, numbers, shapes, by the way they are printed."""
        self._digest.update(f"{facts}\n".encode())

    def add(self, tensor: Tensor) -> None:
        """Adds the dtype, the shape and every byte of a tensor, wherever it lies."""
        self._digest.update(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
        for rows in tensor.detach().split(HASHED_AT_ONCE):
            self._digest.update(rows.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)

    def hexdigest(self) -> str:
        """The hash of all that was given so far, 64 hexadecimal digits."""
        return self._digest.hexdigest()


class SampleHashes(NamedTuple):
    """What tells each sample of a source from any other: equal content, equal hash, wherever it lies in which order.

    Attributes:
        kind: what was hashed; hashes of two kinds say nothing about each other.
        values: 64 bits of BLAKE2b of each sample, (N,) int64; 0 for a sample that could not be read.
    """

    kind: str
    values: Tensor

    def digest(self) -> str:
        """SHA-256 of kind and all hashes: one short text for the whole source, samples in their order."""
        content = ContentHash("samples", self.kind)
        content.add(self.values)
        return content.hexdigest()


def hash_of(content: bytes | memoryview) -> int:
    """64 bits of BLAKE2b as a signed number: a million samples meet one of ten million by chance once in 2 million."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little", signed=True)


def hash_rows(samples: Tensor) -> Tensor:
    """:func:`hash_of` the bytes of each sample, (n, ...) -> (n,) int64 on the CPU."""
    rows = samples.detach().cpu().contiguous().flatten(1).numpy()
    return torch.from_numpy(np.array([hash_of(row.data) for row in rows], dtype=np.int64))
