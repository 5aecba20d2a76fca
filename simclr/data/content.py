"""A hash of what a source holds: features and splits of one data set are then never taken for another's."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

HASHED_AT_ONCE = 4096
"""Samples that are hashed together."""


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
