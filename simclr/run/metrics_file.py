"""metrics.jsonl: the numbers of every step."""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from simclr.errors import InputError
from simclr.files import write_text, writing


class MetricsFile:
    """metrics.jsonl: one JSON object a step, each written at once and as a whole.

    Args:
        path: the file.
        start: the first step; on resume, lines of steps that will be run again are dropped, and damaged ones.
        enabled: only the main process writes.

    Attributes:
        last: the numbers of the last line that was kept, but for its seconds; empty without one.
        note: how many lines of steps that were done are missing, None where all are there.

    Raises:
        InputError: it cannot be written.
    """

    def __init__(self, path: Path, start: int, enabled: bool = True) -> None:
        self._path = path
        self._descriptor: int | None = None
        self.last: dict[str, Any] = {}
        self.note: str | None = None
        if not enabled:
            return
        kept = _numbers_by_step(path, start) if start else {}
        if len(kept) < start:
            self.note = f"{path.name} was damaged: {start - len(kept)} of its first {start} lines are lost"
        last = kept[max(kept)] if kept else {}
        self.last = {name: value for name, value in last.items() if name != "seconds"}
        write_text(path, "".join(f"{json.dumps(kept[step])}\n" for step in sorted(kept)))
        self._folder = path.parent.stat()
        self._open()

    def write(self, numbers: dict[str, Any]) -> None:
        """Append one step.

        Raises:
            InputError: it cannot be written, or the folder is gone.
        """
        if self._descriptor is None:
            return
        folder = self._path.parent
        if not (folder.exists() and os.path.samestat(folder.stat(), self._folder)):
            raise InputError(
                f"{folder} is gone: it was removed, moved or replaced while the run went on; put it back and add "
                f"--resume, or start anew"
            )
        if os.fstat(self._descriptor).st_nlink == 0:  # the file alone was replaced, by an editor for instance
            os.close(self._descriptor)
            self._open()
        line = (json.dumps(numbers) + "\n").encode()
        size = os.fstat(self._descriptor).st_size
        with writing(self._path):
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except OSError:
                os.ftruncate(self._descriptor, size)  # no half line
                raise

    def _open(self) -> None:
        with writing(self._path):
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    def __enter__(self) -> "MetricsFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


def _numbers_by_step(path: Path, stop: int) -> dict[int, dict[str, Any]]:
    """Step → its numbers, of the lines of steps before ``stop`` that are whole; those written last count."""
    found: dict[int, dict[str, Any]] = {}
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            numbers = json.loads(line)
        except (ValueError, RecursionError):  # cut short by a crash, or worse
            continue
        step = numbers.get("step") if isinstance(numbers, dict) else None
        if type(step) is int and 0 <= step < stop:
            found[step] = numbers
    return found
