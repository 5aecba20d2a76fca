"""The run's folder: whether it is one, who may write in it, and the resolved recipe."""

import fcntl
import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from simclr.errors import InputError
from simclr.files import write_text, writing
from simclr.recipe.encoder_path import command_of
from simclr.recipe.read import Experiment, read_experiment, write_recipe
from simclr.recipe.tuning import TuningRecipe
from simclr.run.checkpoint import run_states
from simclr.run.replaced import OF_RUNS, WRITTEN, put_back, remove_aside, set_aside
from simclr.run.resume import check_changes, check_same_recipe

MARK = "run.json"
"""What a run writes first of all: only a folder with it is a run's, and may be resumed or overwritten."""

_FORMAT = "simclr-run/1"


@dataclass(frozen=True)
class RunFolder:
    """A folder that is held for one run.

    Attributes:
        path: the folder.
        id: of the run, the same after a resume.
        changes: keys of the recipe that may differ from those that the run was begun with.
    """

    path: Path
    id: str
    _recipe: Experiment
    _replaces: bool
    changes: tuple[str, ...] = ()

    def begin(self) -> None:
        """From here on the folder changes: the run that is replaced goes aside, ``run.json`` and ``recipe.yaml`` come.

        Raises:
            InputError: it cannot be written.
        """
        if self._replaces:
            set_aside(self.path)
        mark = _mark_of(self.path)
        if mark.get("id") != self.id:
            now = datetime.now(timezone.utc).isoformat(timespec="seconds")
            mark = {"format": _FORMAT, "id": self.id, "created": now}
        changed = sorted({*mark.get("changes", ()), *self.changes})
        if _id_of(self.path) != self.id or changed != mark.get("changes", []):
            # States of before a change are those of this run, too.
            mark |= {"changes": changed} if changed else {}
            write_text(self.path / MARK, json.dumps(mark, indent=1) + "\n")
        write_recipe(self._recipe, self.path / "recipe.yaml")

    def keep(self) -> None:
        """A step was made, and all is well: the run that was replaced goes for good; without one, nothing happens."""
        if self._replaces:
            remove_aside(self.path)


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
def open_run_folder(
    output: Path, recipe: Experiment, *, resume: bool, overwrite: bool, changes: Sequence[str] = ()
) -> Iterator[RunFolder]:
    """Hold the folder for one run: lock it and check it. Nothing in it changes before the run begins.

    Args:
        output: the folder.
        recipe: of the run.
        resume: go on with the run that it holds.
        overwrite: or replace that.
        changes: keys of the recipe that may differ on resume.

    Raises:
        InputError: what is asked for contradicts itself; or the folder cannot be written, belongs to another running
            process or run, holds a run already, or several, or files that no run wrote, or (on resume) holds the run
            of another recipe or none.
    """
    _check_asked(resume, overwrite, changes)
    _check_place(output)
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
            put_back(output)  # what a process left aside that was killed
            yield _check(output, recipe, resume, overwrite, tuple(changes))
        finally:
            with suppress(OSError, InputError):  # the folder may be gone
                put_back(output)  # unless the new run is to be kept
                if not locked_before and not (output / MARK).exists():
                    lock.unlink()
                if not existed:
                    output.rmdir()  # if it is empty


def _check_asked(resume: bool, overwrite: bool, changes: Sequence[str]) -> None:
    """Refuse what cannot be done together."""
    if resume and overwrite:
        raise InputError(
            "--resume goes on with the run that the folder holds, and --overwrite starts anew in its place: give one "
            "of the two"
        )
    if changes and not resume:
        raise InputError(f"--change {changes[0]} is for a run that goes on: add --resume, or leave it out")


def _check_place(output: Path) -> None:
    """Refuse a folder that holds runs, or belongs to one."""
    if output.is_dir() and not is_run_folder(output):
        runs = sorted(folder.name for folder in output.iterdir() if folder.is_dir() and is_run_folder(folder))
        if runs:
            which = f"{', '.join(runs[:3])}{', …' if len(runs) > 3 else ''}"
            raise InputError(f"{output} is a folder of runs ({which}): give a folder in it, such as {output}/NAME")
    there = output.absolute()
    for place in (there, *there.parents):
        if place.name in OF_RUNS and is_run_folder(place.parent):
            raise InputError(f"{output} belongs to the run in {place.parent}: give another --output")


def _check(output: Path, recipe: Experiment, resume: bool, overwrite: bool, changes: tuple[str, ...]) -> RunFolder:
    check_changes(changes)
    holds_run, known = is_run_folder(output), _id_of(output)
    if not holds_run:
        if resume:
            raise InputError(f"{output} holds no run to resume: start without --resume")
        for name in (*WRITTEN, "checkpoints"):
            if (output / name).exists():
                raise InputError(f"{output} holds {name}, which no run wrote, and it stays: give another --output")
    elif resume:
        if (output / "recipe.yaml").exists():
            old = read_experiment(output / "recipe.yaml")
            check_same_recipe(old, recipe, str(output), known is not None, changes)
    elif not overwrite:
        kind = command_of(output / "recipe.yaml")
        if kind != ("fine-tune" if isinstance(recipe, TuningRecipe) else "pretrain"):
            raise InputError(f"{output} holds a run of simclr {kind}, and it stays: give another --output")
        raise InputError(f"{output} holds a run already: add --resume, or --overwrite, or give another --output")
    id = known if resume and known else uuid.uuid4().hex[:12]
    before = _mark_of(output).get("changes", ()) if resume else ()
    return RunFolder(output, id, recipe, holds_run and not resume, (*changes, *before))


def _id_of(folder: Path) -> str | None:
    """The id that a run left in its folder, None where there is none."""
    found = _mark_of(folder).get("id")
    return None if found is None else str(found)


def _mark_of(folder: Path) -> dict[str, Any]:
    """What a run left in its folder to be known again; nothing where there is no such file."""
    try:
        mark = json.loads((folder / MARK).read_text(encoding="utf-8"))
        return dict(mark) if mark["format"] == _FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
