"""Run states: everything that a run needs to go on, one file a step, the last two kept."""

from pathlib import Path
from typing import Any

import torch

from simclr.errors import InputError
from simclr.files import write_atomically, writing
from simclr.run.replaced import is_aside

KEPT = 2


def save_run_state(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write ``step-XXXXXXXX.pt`` atomically and remove all but the last two.

    Args:
        folder: the run's ``checkpoints`` folder; made when missing, but not the run's own folder.
        step: number of steps that are done.
        state: tensors, numbers, text, and lists and dicts of them; nothing that needs pickled code.

    Raises:
        InputError: it cannot be written; the states before are as they were.
    """
    path = folder / f"step-{step:08d}.pt"
    with writing(path):
        folder.mkdir(exist_ok=True)
    write_atomically(path, lambda temporary: torch.save({**state, "step": step}, temporary))
    for old in run_states(folder)[:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def run_states(folder: Path) -> list[Path]:
    """The run states of a folder, oldest first."""
    return sorted(folder.glob("step-????????.pt"))


def newest_state(folder: Path) -> str | None:
    """Name of the newest run state of a folder, None where there is none."""
    return next((path.name for path in reversed(run_states(folder))), None)


def load_run_state(file: Path) -> dict[str, Any]:
    """A run state, on the CPU; loaded without executing anything.

    Raises:
        InputError: it is not there, damaged, or something else.
    """
    if not file.exists():
        raise InputError(
            f"this process finds no {file}, from which the first one resumes: the run's folder has to lie on a disk "
            f"that all processes share"
        )
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        whole = {"model", "optimizer", "step"} <= state.keys()
    except Exception:  # torch raises many kinds for a damaged file, with advice of its own
        whole = False
    if not whole:
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
    return f"{said}; last good run state: {folder / newest if newest else 'none yet'}"
