"""Sources that read their samples when asked for: the part that does not care what is read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from simclr.data.content import SINGLE_ROWS_AT_ONCE, ContentHash, SampleHashes, hash_rows
from simclr.data.source import Source, TensorSource
from simclr.data.workers import read_ahead, usable_cores
from simclr.errors import InputError

_CHUNK = 256  # samples that a loading process takes at once, at most
_CHUNK_BYTES = 16 << 20  # and their size
_LOAD_ALONE = 256  # samples for which another process is worth its start
_HASHED = 64  # samples, spread over all, whose bytes tell the content


class DamagedError(Exception):
    """One sample cannot be read; the others may be."""


class StreamSource(Source):
    """A source that decodes a sample when it is asked for.

    A damaged sample is replaced by the next readable one, ``(id + 1) % N`` and so on, so a batch is always whole and
    the same in every process. It is named in ``damaged`` and loses its label.

    Attributes:
        sample_shape: (C, H, W) of a sample.
        sample_dtype: its dtype.
        max_damaged: share of the samples that may be damaged; one always may be.

    Subclasses give ``read_one``, ``sample_name`` and ``__len__``.
    """

    resident = False
    sample_shape: tuple[int, int, int]
    sample_dtype: torch.dtype
    max_damaged: float = 0.01

    def read_one(self, i: int) -> Tensor:
        """Sample i, ``sample_shape`` of ``sample_dtype``. Raises DamagedError if it cannot be read."""
        raise NotImplementedError

    def sample_name(self, i: int) -> str:
        """What to call sample i in a message."""
        raise NotImplementedError

    @property
    def nbytes(self) -> int:
        """Size of all samples once decoded, in bytes, known before any is."""
        return len(self) * torch.Size(self.sample_shape).numel() * self.sample_dtype.itemsize

    def read(self, ids: Sequence[int]) -> tuple[Tensor, list[int]]:
        """Samples of the ids, (b, C, H, W), and the ids of the damaged ones that were met; changes nothing."""
        batch = torch.empty((len(ids), *self.sample_shape), dtype=self.sample_dtype)
        damaged: list[int] = []
        for row, i in enumerate(ids):
            for candidate in (j % len(self) for j in range(i, i + len(self))):
                try:
                    batch[row] = self.read_one(candidate)
                    break
                except DamagedError:
                    damaged.append(candidate)
                    if self._too_many(len(set(damaged))):
                        return batch, damaged
        return batch, damaged

    def __getitem__(self, ids: Tensor) -> Tensor:
        batch, damaged = self.read(ids.tolist())
        self.note_damaged(damaged)
        return batch

    def note_damaged(self, ids: Sequence[int]) -> None:
        """Counts damaged samples, each once, and takes their labels away.

        Raises:
            InputError: if more than ``max_damaged`` of all samples, and more than one, are damaged.
        """
        for i in ids:
            name = self.sample_name(i)
            if name not in self.damaged:
                self.damaged.append(name)
                if self.labels is not None:
                    self.labels[i] = -1
        if self._too_many(len(self.damaged)):
            raise InputError(too_many_damaged(self.name, self.damaged, len(self), self.max_damaged))

    def content_hash(self) -> str:
        """SHA-256 of number, shape and up to 64 samples spread over all: reading every one may take an hour."""
        content = ContentHash("stream", len(self), self.sample_shape, str(self.sample_dtype))
        content.add(self.read(list(dict.fromkeys(k * len(self) // _HASHED for k in range(_HASHED))))[0])
        return content.hexdigest()

    def sample_hashes(self) -> SampleHashes:
        """As in :class:`simclr.data.source.Source`, decoded by one process a core; changes nothing."""
        n = len(self)
        chunks = [list(range(i, min(i + SINGLE_ROWS_AT_ONCE, n))) for i in range(0, n, SINGLE_ROWS_AT_ONCE)]
        workers = min(usable_cores(), n // _LOAD_ALONE)
        kind = f"values {str(self.sample_dtype).removeprefix('torch.')} {tuple(self.sample_shape)}"
        found = [value for values in read_ahead(self._hash_chunk, chunks, workers) for value in values]
        return SampleHashes(kind, torch.tensor(found, dtype=torch.int64))

    def _hash_chunk(self, ids: list[int]) -> list[int]:
        batch, damaged = self.read(ids)
        return [0 if i in damaged else value for i, value in zip(ids, hash_rows(batch).tolist())]

    def load(self, workers: int | None = None) -> TensorSource:
        """Reads everything into one tensor; a damaged sample is replaced by the next readable one, without its label.

        So ids mean the same whether a source is streamed or resident.

        Args:
            workers: number of processes, one a core when None; small sources are read in this one.

        Raises:
            InputError: if too many samples are damaged.
        """
        n = len(self)
        if workers is None:
            workers = min(usable_cores(), n // _LOAD_ALONE)
        step = max(1, min(_CHUNK, _CHUNK_BYTES * n // max(1, self.nbytes)))
        images = torch.empty((n, *self.sample_shape), dtype=self.sample_dtype)
        readable = torch.ones(n, dtype=torch.bool)
        chunks = [list(range(start, min(start + step, n))) for start in range(0, n, step)]
        for chunk, (batch, good) in zip(chunks, read_ahead(self._read_chunk, chunks, workers), strict=True):
            images[chunk[0] : chunk[-1] + 1] = torch.from_numpy(batch)
            readable[chunk[0] : chunk[-1] + 1] = torch.tensor(good)
        damaged, intact = (~readable).nonzero().flatten(), readable.nonzero().flatten()
        if len(damaged):
            self.note_damaged(damaged.tolist())
            images[damaged] = images[intact[torch.bucketize(damaged, intact) % len(intact)]]
        source = TensorSource(
            images,
            self.labels,
            name=self.name,
            class_names=self.class_names,
            value_max=self.value_max,
            hashes=self.sample_hashes,
        )
        source.damaged, source.notes = list(self.damaged), self.notes
        return source

    def _read_chunk(self, ids: list[int]) -> tuple[np.ndarray, list[bool]]:
        """Samples and whether each could be read; NumPy, as that travels without the machine's shared memory."""
        batch = torch.zeros((len(ids), *self.sample_shape), dtype=self.sample_dtype)
        good = [True] * len(ids)
        for row, i in enumerate(ids):
            try:
                batch[row] = self.read_one(i)
            except DamagedError:
                good[row] = False
        return batch.numpy(), good

    def _too_many(self, damaged: int) -> bool:
        return damaged >= len(self) or damaged > max(1, self.max_damaged * len(self))


def too_many_damaged(name: str, damaged: Sequence[str], n: int, max_damaged: float) -> str:
    """The one line that says so, naming the first few."""
    first = ", ".join(damaged[:3]) + (", ..." if len(damaged) > 3 else "")
    if len(damaged) >= n:
        return f"none of the {n} images of {name} can be read ({first}): check the files."
    return (
        f"{name} has at least {len(damaged)} damaged images of {n} ({first}), more than "
        f"data.max_damaged={max_damaged:g} allows: remove or repair them, or raise data.max_damaged."
    )
