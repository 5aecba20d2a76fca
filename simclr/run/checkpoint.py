"""Run states: everything that a run needs to go on, one file a step, the last ones kept."""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from simclr.errors import InputError
from simclr.files import remove_unfinished, write_atomically, writing
from simclr.run.replaced import is_aside

DIVERGED = "diverged.pt"
"""The state before a step that diverged, for `simclr replay`; a run does not go on from it."""

_NAME = re.compile(r"step-(\d{8})\.pt")


class Keeping(NamedTuple):
    """Which run states stay: the last ones, and besides those whose step is a multiple of ``every``."""

    last: int
    every: int | None = None


LAST_TWO = Keeping(2)


def save_run_state(folder: Path, step: int, state: dict[str, Any], keeping: Keeping = LAST_TWO) -> Path:
    """Write ``step-XXXXXXXX.pt`` atomically and remove those that need not be kept.

    Args:
        folder: the run's ``checkpoints`` folder; made when missing, but not the run's own folder.
        step: number of steps that are done.
        state: tensors, numbers, text, and lists and dicts of them; nothing that needs pickled code.
        keeping: which stay.

    Raises:
        InputError: it cannot be written; the states before are as they were.
    """
    path = folder / f"step-{step:08d}.pt"
    with writing(path):
        folder.mkdir(exist_ok=True)
    write_atomically(path, lambda temporary: torch.save({**state, "step": step}, temporary))
    for old in run_states(folder)[: -keeping.last]:
        if not (keeping.every and _step(old) % keeping.every == 0):
            old.unlink(missing_ok=True)
    return path


def go_back_to(folder: Path, step: int) -> None:
    """The run goes on after ``step`` steps: states of later ones go, and what was half written when it was killed.

    Args:
        folder: the run's ``checkpoints`` folder, held for this run; it need not be there.
        step: number of steps that are done.

    Raises:
        InputError: something cannot be removed.
    """
    with writing(folder):
        for later in run_states(folder):
            if _step(later) > step:
                later.unlink()
        (folder / DIVERGED).unlink(missing_ok=True)
        remove_unfinished(folder, _NAME)


def run_states(folder: Path) -> list[Path]:
    """The run states of a folder, oldest first."""
    return sorted(file for file in folder.glob("step-????????.pt") if _NAME.fullmatch(file.name))


def newest_whole_state(folder: Path, say: Callable[[str], None]) -> str | None:
    """Name of the newest run state that is not damaged; None where there is none at all.

    Args:
        folder: the run's ``checkpoints`` folder.
        say: told of each that is passed over.

    Raises:
        InputError: there are some, and all are damaged.
    """
    states = run_states(folder)
    for file in reversed(states):
        if whole_state(file) is not None:
            return file.name
        say(f"{file} is damaged or was not written to its end: passed over")
    if states:
        raise InputError(
            f"none of the {len(states)} run states in {folder} is whole: delete them, and --resume starts from the "
            f"beginning"
        )
    return None


def given_state(folder: Path, file: Path) -> str:
    """Name of a run state that was asked for.

    Args:
        folder: the run's ``checkpoints`` folder.
        file: where it is said to be.

    Raises:
        InputError: it is none of this run's states; names those that are.
    """
    if _NAME.fullmatch(file.name) and file.is_file() and file.resolve().parent == folder.resolve():
        return file.name
    there = [path.name for path in run_states(folder)]
    if file.name == DIVERGED:
        raise InputError(
            f"{file} is the state before a step that diverged, from which no run goes on: simclr replay "
            f"{folder.parent} makes that step again, and --resume goes on from the newest run state"
        )
    raise InputError(
        f"{file} is no run state of {folder.parent}: there are {', '.join(there[-5:])} in {folder}"
        if there
        else f"{file} is no run state of {folder.parent}, which has none: start with --resume, or anew"
    )


def newest_state(folder: Path) -> str | None:
    """Name of the newest run state of a folder, None where there is none."""
    return next((path.name for path in reversed(run_states(folder))), None)


def load_run_state(file: Path) -> dict[str, Any]:
    """A run state, on the CPU; loaded without executing anything, and compared with the checksums of its parts.

    Raises:
        InputError: it is not there, damaged, or something else.
    """
    if not file.exists():
        raise InputError(
            f"this process finds no {file}, from which the first one resumes: the run's folder has to lie on a disk "
            f"that all processes share"
        )
    state = whole_state(file)
    if state is None:
        raise InputError(
            f"{file} is no whole run state: delete it, and --resume takes the one before, or starts from the beginning"
        )
    return state


def where_to_go_on(folder: Path) -> str:
    """What there is to resume from, as the end of a sentence."""
    name = newest_state(folder)
    if name is None and is_aside(folder.parent):
        return f"no step was made, and {folder.parent} still holds the run that was to be overwritten"
    if name is None:
        return "no run state was saved yet: --resume starts from the beginning"
    return f"--resume goes on from {folder / name}"


def diverged(step: int, loss: float, why: str, folder: Path) -> str:
    """What to say when the loss became NaN or infinite, with the last run state of before."""
    newest = newest_state(folder)
    said = f"the loss is {loss} at step {step}: {why}"
    if newest is None and is_aside(folder.parent):
        return f"{said}; {where_to_go_on(folder)}"
    again = f"; simclr replay {folder.parent} makes that step again" if (folder / DIVERGED).exists() else ""
    return f"{said}; last good run state: {folder / newest if newest else 'none yet'}{again}"


def whole_state(file: Path) -> dict[str, Any] | None:
    """A run state, on the CPU; None where it is damaged or something else."""
    try:
        with zipfile.ZipFile(file) as parts:  # torch compares no checksum
            if parts.testzip() is not None:
                return None
        state = torch.load(file, map_location="cpu", weights_only=True)
        return state if {"model", "optimizer", "step"} <= state.keys() else None
    except Exception:  # torch and zipfile raise many kinds for a damaged file, with advice of their own
        return None


def _step(file: Path) -> int:
    """Of a run state, by its name."""
    found = _NAME.fullmatch(file.name)
    assert found is not None  # it is one
    return int(found[1])
