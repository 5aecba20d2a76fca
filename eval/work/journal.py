"""Finished parts of an evaluation on disk: one line each, and a line that is damaged or half written is none."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pydantic import JsonValue
from torch import Tensor

from simclr.files import write_text

FORMAT = "simclr-parts/1"
SECONDS = 1.0
"""Parts are written once so much time has passed since the last ones: so much work may be lost."""
_DTYPES = {"bool": torch.bool, "int64": torch.int64, "float32": torch.float32, "float64": torch.float64}


class Part(NamedTuple):
    """What came of a part of the work: facts fit for JSON, and tensors of bool, int64, float32 or float64."""

    facts: JsonValue
    tensors: Mapping[str, Tensor] = {}


class Journal:
    """Parts by the hash of what they depend on, appended to a file as they are finished.

    A line is the SHA-256 of a JSON text and that text. Whatever is no such line is passed over: the end of a file whose
    writer was killed, or a damaged place. A disk that takes no more ends the keeping, not the evaluation.

    Args:
        file: where parts are kept; it is there once there is something to keep. None keeps nothing.
        seconds: between two writings, ``SECONDS`` by default.

    Attributes:
        found: how many whole lines the file held.
        notes: what was not as it should be.
    """

    def __init__(self, file: Path | None, seconds: float | None = None) -> None:
        self.file, self._seconds = file, SECONDS if seconds is None else seconds
        self.notes: list[str] = []
        self._lines: dict[str, str] = {}
        self._mine: set[str] = set()
        self._waiting: list[str] = []
        self._written = time.perf_counter()
        if file is not None and file.is_file():
            self._read(file)
        self.found = len(self._lines)

    def __getitem__(self, key: str) -> Part | None:
        """A kept part; None where there is none, or it is none of ours."""
        text = self._lines.get(key)
        self._mine.add(key)
        return None if text is None else _unpacked(text)

    def __setitem__(self, key: str, part: Part) -> None:
        if self.file is None:
            return
        text = _packed(key, part)
        self._mine.add(key)
        self._lines[key] = text
        self._waiting.append(f"{_digest(text)} {text}\n")
        if time.perf_counter() - self._written >= self._seconds:
            self.write()

    def write(self) -> None:
        """Appends what waits to the file."""
        if self.file is None or not self._waiting:
            return
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("a+b") as stream:
                stream.seek(0, os.SEEK_END)
                whole = stream.tell() == 0 or _last_byte(stream.fileno(), stream.tell()) == b"\n"
                stream.write(("" if whole else "\n").encode() + "".join(self._waiting).encode())
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            self.notes.append(f"parts are not kept any more: {self.file}: {error.strerror or error}")
            self.file = None
        self._waiting = []
        self._written = time.perf_counter()

    def clear(self) -> None:
        """The work is done: its parts go, and the file where no other evaluation has parts in it."""
        self.write()
        self._lines = {}
        if self.file is None or not self.file.is_file():
            return
        self._read(self.file)
        others = [text for key, text in self._lines.items() if key not in self._mine]
        self._lines = {}
        if others:
            write_text(self.file, "".join(f"{_digest(text)} {text}\n" for text in others))
        else:
            self.file.unlink(missing_ok=True)

    def _read(self, file: Path) -> None:
        damaged = 0
        try:
            content = file.read_bytes()
        except OSError as error:
            self.notes.append(f"finished parts cannot be read: {file}: {error.strerror or error}")
            return
        for line in filter(None, content.split(b"\n")):
            digest, _, text = line.decode("utf-8", "replace").partition(" ")
            if digest == _digest(text):
                self._lines[_key_of(text)] = text
            else:
                damaged += 1
        if damaged:
            self.notes.append(f"{file.name}: {damaged} damaged or half-written of its lines are passed over")


def digest_of(value: Mapping[str, JsonValue | Tensor]) -> str:
    """SHA-256 of facts and tensors by their names, whatever their order."""
    digest = hashlib.sha256()
    for name, one in sorted(value.items()):
        if isinstance(one, Tensor):
            digest.update(f"{name} {one.dtype} {tuple(one.shape)}\n".encode())
            digest.update(one.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        else:
            digest.update(f"{name} {json.dumps(one, sort_keys=True)}\n".encode())
    return digest.hexdigest()


def _packed(key: str, part: Part) -> str:
    tensors = {
        name: [str(t.dtype).removeprefix("torch."), list(t.shape), base64.b64encode(t.numpy().tobytes()).decode()]
        for name, t in part.tensors.items()
    }
    return json.dumps({"format": FORMAT, "key": key, "facts": part.facts, "tensors": tensors})


def _key_of(text: str) -> str:
    try:
        return str(json.loads(text)["key"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""


def _unpacked(text: str) -> Part | None:
    """A part of a whole line; None of another format."""
    try:
        content = json.loads(text)
        if content["format"] != FORMAT:
            return None
        return Part(content["facts"], {name: _tensor(*packed) for name, packed in content["tensors"].items()})
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error):
        return None


def _tensor(dtype: str, shape: list[int], text: str) -> Tensor:
    numbers = np.frombuffer(base64.b64decode(text, validate=True), dtype=dtype).copy()
    return torch.from_numpy(numbers).to(_DTYPES[dtype]).reshape(shape)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _last_byte(descriptor: int, size: int) -> bytes:
    return os.pread(descriptor, 1, size - 1)
