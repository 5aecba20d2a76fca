"""The run's folder: who may write in it, the resolved recipe, and metrics.jsonl."""

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from simclr.errors import InputError
from simclr.files import write_text
from simclr.recipe.read import read_recipe, write_recipe
from simclr.recipe.schema import Recipe
from simclr.run.checkpoint import run_states

# What may differ when a run is resumed: it changes no number.
_FREE_ON_RESUME = ("description", "monitor.every", "log", "train.checkpoint_every", "data.workers")

# What belongs to the run that --overwrite replaces.
_OUTPUTS = (
    *("metrics.jsonl", "encoder.safetensors", "encoder.json", "views.png"),
    *("result.json", "few-shot.json", "map.png", "unknown-map.png", "report.html"),
)


@contextmanager
def open_run_folder(output: Path, recipe: Recipe, *, resume: bool, overwrite: bool) -> Iterator[Callable[[], None]]:
    """Hold the folder for one run: lock it and check it.

    Nothing in it changes before the function that this gives is called, which removes the run that is overwritten and
    writes ``recipe.yaml``: a mistake that is found in between costs nothing, and leaves nothing behind.

    Raises:
        InputError: the folder belongs to another running process, holds a run already, or (on resume) holds the run
            of another recipe or none.
    """
    existed = output.exists()
    try:
        output.mkdir(parents=True, exist_ok=True)
        lock = (output / ".lock").open("w")
    except OSError as error:
        raise InputError(f"--output is {output}, which cannot be written: {error.strerror}; give a folder") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"another process is writing to {output}: give another --output, or wait") from None
        try:
            replaces = _check(output, recipe, resume=resume, overwrite=overwrite)
            yield lambda: _begin(output, recipe, replaces)
        finally:
            if [path.name for path in output.iterdir()] == [".lock"]:
                (output / ".lock").unlink()
                if not existed:
                    output.rmdir()


def _check(output: Path, recipe: Recipe, *, resume: bool, overwrite: bool) -> bool:
    """Whether the folder holds a run that this one replaces."""
    states = run_states(output / "checkpoints")
    holds_run = bool(states) or (output / "metrics.jsonl").exists()
    if resume:
        if not states:
            raise InputError(f"{output} holds no run state to resume: start without --resume")
        difference = _difference(_flat(read_recipe(output / "recipe.yaml")), _flat(recipe))
        if difference:
            raise InputError(
                f"{output} holds the run of another recipe: {difference}; resume with {output}/recipe.yaml"
            )
    elif holds_run and not overwrite:
        raise InputError(f"{output} holds a run already: add --resume, or --overwrite, or give another --output")
    return holds_run and not resume


def _begin(output: Path, recipe: Recipe, replaces: bool) -> None:
    if replaces:
        for name in _OUTPUTS:
            (output / name).unlink(missing_ok=True)
        for name in ("checkpoints", "features"):
            shutil.rmtree(output / name, ignore_errors=True)
    write_recipe(recipe, output / "recipe.yaml")


def _flat(recipe: Recipe) -> dict[str, Any]:
    def walk(node: Any, prefix: str) -> Iterator[tuple[str, Any]]:
        if isinstance(node, dict):
            for key, value in node.items():
                yield from walk(value, f"{prefix}{key}.")
        else:
            yield prefix[:-1], node

    return dict(walk(recipe.model_dump(mode="json"), ""))


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    for key in [*old, *new]:
        if old.get(key) != new.get(key) and not key.startswith(_FREE_ON_RESUME):
            return f"{key} was {old.get(key)}, now it is {new.get(key)}"
    return ""


class MetricsFile:
    """metrics.jsonl: one JSON object a step, written line by line.

    Args:
        path: the file.
        start: the first step; on resume, lines of steps that will be run again are dropped.
        enabled: only the main process writes.

    Attributes:
        last: the numbers of the last line that was kept, empty without one.
    """

    def __init__(self, path: Path, start: int, enabled: bool = True) -> None:
        self._file: IO[str] | None = None
        self.last: dict[str, Any] = {}
        if not enabled:
            return
        kept = [line for line in _lines(path) if _step(line) < start] if start else []
        self.last = json.loads(kept[-1]) if kept else {}
        write_text(path, "".join(f"{line}\n" for line in kept))
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def write(self, numbers: dict[str, Any]) -> None:
        """Append one step."""
        if self._file:
            self._file.write(json.dumps(numbers) + "\n")

    def __enter__(self) -> "MetricsFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _step(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError):  # the line that a crash cut short
        return float("inf")
