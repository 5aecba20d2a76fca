"""Features on disk: extracted once, read by every later evaluation, and never taken for those of another encoder."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from simclr.data.source import Source
from simclr.data.stream import StreamSource
from simclr.errors import InputError
from simclr.eval.subject.features import BATCH_SIZE, extract_features, feature_batches, fingerprint
from simclr.files import write_atomically
from simclr.run.metadata import versions

FORMAT = "simclr-features/1"
LIMIT = 4 << 30
SECONDS, TIMES = 5.0, 20.0
"""What is being extracted is written once so much time has passed, and so many times what the last writing took."""

Extract = Callable[[nn.Module, Source, Sequence[Tensor], "torch.device | str"], Iterator[Tensor]]
"""As :func:`simclr.eval.subject.features.feature_batches`."""


class Look(NamedTuple):
    """One look into the cache.

    Attributes:
        file: name of the file.
        encoder, source: hashes of both.
        read, extracted: how many samples were.
        note: what was not as it should be.
    """

    file: str
    encoder: str
    source: str
    read: int
    extracted: int
    note: str | None


class FeatureCache:
    """Frozen representations by (encoder, preprocessing, source), one safetensors file for each.

    A file is named by the hash of all that its features depend on: parameters, buffers and structure of the encoder,
    its preprocessing, the content of the source (its ``content_hash``), kind of device, versions of torch and of
    this package. The file says so itself, and holds a hash of its numbers. Two of its samples are extracted again on
    every reading, so that a change in the code is noticed, too. A file that is damaged, belongs to something else or
    gives other features is not used: features are extracted anew, and ``log`` says why. A long extraction is written as
    it goes; one that was cut off goes on behind what is there, in the same batches.

    Args:
        folder: where the files lie, made when needed; None extracts every time.
        limit: bytes that the folder may hold; the files that were not used for longest go first.
        extract: does the extraction; None is ``feature_batches``.

    Attributes:
        log: one entry for each call.

    Example:
        >>> cache = FeatureCache(Path("runs/indian-pines/features"))
        >>> h = cache.features(encoder, source, source.labelled_ids())
    """

    def __init__(self, folder: Path | None, limit: int = LIMIT, extract: Extract | None = None) -> None:
        self.folder = folder
        self.limit = limit
        self.extract = extract or feature_batches
        self.log: list[Look] = []
        self._contents: WeakKeyDictionary[Source, str] = WeakKeyDictionary()

    def features(
        self,
        encoder: nn.Module,
        source: Source,
        ids: Tensor,
        batch_size: int = BATCH_SIZE,
        device: torch.device | str = "cpu",
        progress: Callable[[int, int], None] | None = None,
        looked: Callable[[Look], Look] | None = None,
    ) -> Tensor:
        """What ``extract_features`` gives for these arguments; only samples not on disk are extracted.

        Damaged images of a streamed source lose their label, as they do on extraction.

        Args:
            encoder, source, ids, batch_size, device, progress: as there.
            looked: told what there is before anything is extracted; gives the entry of the log.

        Returns:
            (n, dim) float32 on the CPU, in the order of ``ids``.

        Raises:
            InputError, RuntimeError: as in ``extract_features``.
        """
        show = progress or (lambda done, total: None)
        if self.folder is None or len(ids) == 0:
            return torch.cat(list(self._extracted(encoder, source, ids.split(batch_size), device, show)))
        key = self._key(encoder, source, device)
        file = self.folder / f"{_hash(key)[:32]}.safetensors"
        known, found, damaged, note = _read(file, key)
        if len(known):
            probe = torch.stack([known.min(), known.max()]).unique()
            again = extract_features(encoder, source, probe, batch_size, device)
            if not torch.allclose(again, found[_rows(known, probe)], rtol=1e-3, atol=1e-4 * float(again.abs().max())):
                known, found, damaged = _nothing()
                note = "extracted anew: the encoder gives other features than those on file"
        if isinstance(source, StreamSource) and len(damaged):
            source.note_damaged(damaged.tolist())
        missing = ids[~torch.isin(ids, known)].unique()
        look = Look(file.name, key["encoder"], key["source"], len(ids) - len(missing), len(missing), note)
        look = looked(look) if looked is not None else look
        if len(missing):
            batches, new = missing.split(batch_size), [found] if len(found) else []
            written, pause = time.perf_counter(), SECONDS
            for i, h in enumerate(self._extracted(encoder, source, batches, device, show)):
                new.append(h)
                last = i + 1 == len(batches)
                if last or time.perf_counter() - written > pause:
                    done, new = torch.cat([known, *batches[: i + 1]]), [torch.cat(new)]
                    started = time.perf_counter()
                    note = self._write(file, key, done, new[0], _damaged_ids(source, done))
                    written = time.perf_counter()
                    pause = max(SECONDS, TIMES * (written - started))
            known, found, note = done, new[0], note or look.note
            look = look._replace(note=note)
        self.log.append(look)
        return found[_rows(known, ids)]

    def _extracted(
        self,
        encoder: nn.Module,
        source: Source,
        batches: Sequence[Tensor],
        device: torch.device | str,
        show: Callable[[int, int], None],
    ) -> Iterator[Tensor]:
        done, total = 0, sum(map(len, batches))
        show(0, total)
        for h in self.extract(encoder, source, batches, device):
            done += len(h)
            yield h
            show(done, total)

    def identity(self, encoder: nn.Module, source: Source, device: torch.device | str) -> str:
        """SHA-256 of all that the features of an encoder depend on."""
        return _hash(self._key(encoder, source, device))

    def content_of(self, source: Source) -> str:
        """The source's ``content_hash``, computed once."""
        if source not in self._contents:
            self._contents[source] = source.content_hash()
        return self._contents[source]

    def _key(self, encoder: nn.Module, source: Source, device: torch.device | str) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "encoder": fingerprint(encoder),
            "structure": hashlib.sha256(str(encoder).encode()).hexdigest(),
            "architecture": getattr(encoder, "metadata", {}).get("encoder"),
            "preprocess": encoder.preprocess.config(),  # type: ignore[union-attr, operator]
            "source": self.content_of(source),
            "device": torch.device(device).type,
            "torch": torch.__version__,
            "simclr": versions()["simclr"],
        }

    def _write(self, file: Path, key: dict[str, Any], ids: Tensor, features: Tensor, damaged: Tensor) -> str | None:
        """Writes a file and makes room for it; returns why that was not possible."""
        if features.nbytes > self.limit:
            return f"not kept: {features.nbytes:,} bytes are more than the limit of {self.limit:,}"
        tensors = {"ids": ids, "features": features.contiguous(), "damaged": damaged}
        header = {"key": json.dumps(key), "sha256": _digest(tensors)}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, lambda temporary: save_file(tensors, temporary, metadata=header))
            self._make_room(file)
        except (InputError, OSError, SafetensorError) as error:
            return f"not kept: {error}"
        return None

    def _make_room(self, newest: Path) -> None:
        files = sorted(newest.parent.glob("*.safetensors"), key=lambda file: file.stat().st_mtime)
        total = sum(file.stat().st_size for file in files)
        for file in files:
            if total <= self.limit:
                break
            if file != newest:
                total -= file.stat().st_size
                file.unlink(missing_ok=True)


def _read(file: Path, key: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor, str | None]:
    """Ids, features and damaged ids of a file, or nothing and what is wrong with it."""
    if not file.is_file():
        return *_nothing(), None
    try:
        with safe_open(file, framework="pt") as content:
            header = content.metadata() or {}
            tensors = {name: content.get_tensor(name) for name in ("ids", "features", "damaged")}
        if json.loads(header["key"]) != key:
            return *_nothing(), "extracted anew: the file held features of another encoder or source"
        if header["sha256"] != _digest(tensors):
            return *_nothing(), "extracted anew: the file was damaged (its numbers do not fit their hash)"
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        return *_nothing(), f"extracted anew: the file was damaged ({' '.join(str(error).split())})"
    with suppress(OSError):
        os.utime(file)  # files go in the order of their last use
    return tensors["ids"], tensors["features"], tensors["damaged"], None


def _hash(key: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


def _nothing() -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty(0, dtype=torch.int64), torch.empty(0, 0), torch.empty(0, dtype=torch.int64)


def _rows(known: Tensor, ids: Tensor) -> Tensor:
    """Where each of the ids stands in ``known``, which holds them all."""
    ascending, order = known.sort()
    return order[torch.searchsorted(ascending, ids)]


def _damaged_ids(source: Source, ids: Tensor) -> Tensor:
    if not isinstance(source, StreamSource) or not source.damaged:
        return torch.empty(0, dtype=torch.int64)
    names = set(source.damaged)
    return torch.tensor([i for i in ids.tolist() if source.sample_name(i) in names], dtype=torch.int64)


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
