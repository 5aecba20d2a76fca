"""The run's folder: whether it is one, who may write in it, and the resolved recipe."""

import fcntl
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import yaml

from simclr.errors import InputError
from simclr.files import write_text, writing
from simclr.recipe.read import Experiment, read_experiment, write_recipe
from simclr.run.checkpoint import run_states
from simclr.run.resume import check_same_recipe

MARK = "run.json"
"""What a run writes first of all: only a folder with it is a run's, and may be resumed or overwritten."""

_FORMAT = "simclr-run/1"

# What a run writes, and what others write of it; --overwrite removes all of these, and nothing else.
_ENCODERS = tuple(f"{name}.{kind}" for name in ("encoder", "encoder-target") for kind in ("safetensors", "json"))
_WRITTEN = ("recipe.yaml", "metrics.jsonl", *_ENCODERS, "views.png")
_OF_RESULTS = ("result.json", "few-shot.json", "map.png", "unknown-map.png", "report.html")
_IN_FOLDERS = {"checkpoints": re.compile(r"\.?step-\d{8}\.pt.*"), "features": re.compile(r"\.?[0-9a-f]{32}\.safe.*")}


@dataclass(frozen=True)
class RunFolder:
    """A folder that is held for one run.

    Attributes:
        path: the folder.
        id: of the run, the same after a resume.
    """

    path: Path
    id: str
    _recipe: Experiment
    _replaces: bool

    def begin(self) -> None:
        """From here on the folder changes: the run that is overwritten goes, ``run.json`` and ``recipe.yaml`` come.

        Raises:
            InputError: it cannot be written.
        """
        if _id_of(self.path) != self.id:
            now = datetime.now(timezone.utc).isoformat(timespec="seconds")
            write_text(
                self.path / MARK, json.dumps({"format": _FORMAT, "id": self.id, "created": now}, indent=1) + "\n"
            )
        if self._replaces:
            with writing(self.path):
                _remove_run(self.path)
        write_recipe(self._recipe, self.path / "recipe.yaml")


def is_run_folder(folder: Path) -> bool:
    """Whether a run wrote this folder: it has the mark of one, or all that runs wrote before they left a mark."""
    if _id_of(folder) is not None:
        return True
    if not (run_states(folder / "checkpoints") or (folder / "metrics.jsonl").is_file()):
        return False
    try:
        text = (folder / "recipe.yaml").read_text(encoding="utf-8")
        keys = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return False
    # A resolved recipe has every section, and no comment.
    return isinstance(keys, dict) and keys.keys() >= _OLDEST and not any(line[:1] == "#" for line in text.splitlines())


def folder_of(recipe: Path) -> Path:
    """Where the run of a recipe goes by default: its own folder if it is the recipe.yaml of a run, else runs/NAME.

    Any other recipe of that name does not make its folder one.
    """
    own = recipe.name == "recipe.yaml" and is_run_folder(recipe.parent)
    return recipe.parent if own else Path("runs") / recipe.stem


_OLDEST = {"description", "seed", "data", "augment", "encoder", "head", "loss", "train", "monitor", "log"}


@contextmanager
def open_run_folder(output: Path, recipe: Experiment, *, resume: bool, overwrite: bool) -> Iterator[RunFolder]:
    """Hold the folder for one run: lock it and check it. Nothing in it changes before the run begins.

    Raises:
        InputError: the folder cannot be written, belongs to another running process, holds a run already or files that
            no run wrote, or (on resume) holds the run of another recipe or none.
    """
    existed, lock = output.exists(), output / ".lock"
    locked_before = lock.exists()
    with writing(output):
        output.mkdir(parents=True, exist_ok=True)
        file = lock.open("a")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"another process is writing to {output}: give another --output, or wait") from None
        try:
            yield _check(output, recipe, resume=resume, overwrite=overwrite)
        finally:
            with suppress(OSError):  # the folder may be gone
                if not locked_before and not (output / MARK).exists():
                    lock.unlink()
                if not existed:
                    output.rmdir()  # if it is empty


def _check(output: Path, recipe: Experiment, *, resume: bool, overwrite: bool) -> RunFolder:
    holds_run, known = is_run_folder(output), _id_of(output)
    if not holds_run:
        if resume:
            raise InputError(f"{output} holds no run to resume: start without --resume")
        for name in (MARK, *_WRITTEN, "checkpoints"):
            if (output / name).exists():
                raise InputError(f"{output} holds {name}, which no run wrote, and it stays: give another --output")
    elif resume:
        if (output / "recipe.yaml").exists():
            old = read_experiment(output / "recipe.yaml")
            check_same_recipe(old, recipe, str(output), moved=known is not None)
    elif not overwrite:
        raise InputError(f"{output} holds a run already: add --resume, or --overwrite, or give another --output")
    id = known if resume and known else uuid.uuid4().hex[:12]
    return RunFolder(output, id, recipe, _replaces=holds_run and not resume)


def _id_of(folder: Path) -> str | None:
    """The id that a run left in its folder, None where there is none."""
    try:
        mark = json.loads((folder / MARK).read_text(encoding="utf-8"))
        return str(mark["id"]) if mark["format"] == _FORMAT else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _remove_run(folder: Path) -> None:
    for name in (*_WRITTEN[1:], *_OF_RESULTS):  # the recipe is replaced
        (folder / name).unlink(missing_ok=True)
    for name, ours in _IN_FOLDERS.items():
        for file in (folder / name).glob("*"):
            if ours.fullmatch(file.name):
                file.unlink(missing_ok=True)
        with suppress(OSError):  # it is not there, or holds something of others
            (folder / name).rmdir()
