"""Run states: everything that a run needs to go on, one file a step, the last two kept."""

from pathlib import Path
from typing import Any

import torch

from simclr.errors import InputError
from simclr.files import write_atomically

KEPT = 2


def save_run_state(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write ``step-XXXXXXXX.pt`` atomically and remove all but the last two.

    Args:
        folder: the run's ``checkpoints`` folder; made when missing.
        step: number of steps that are done.
        state: tensors, numbers, text, and lists and dicts of them; nothing that needs pickled code.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:08d}.pt"
    write_atomically(path, lambda temporary: torch.save({**state, "step": step}, temporary))
    for old in run_states(folder)[:-KEPT]:
        old.unlink()
    return path


def run_states(folder: Path) -> list[Path]:
    """The run states of a folder, oldest first."""
    return sorted(folder.glob("step-????????.pt"))


def load_run_state(folder: Path) -> dict[str, Any]:
    """The newest run state, on the CPU; loaded without executing anything.

    Raises:
        InputError: there is none, or it is damaged.
    """
    found = run_states(folder)
    if not found:
        raise InputError(f"there is no run state in {folder}: start the run without --resume")
    try:
        return torch.load(found[-1], map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise InputError(
            f"{found[-1]} is damaged ({str(error).splitlines()[0][:80]}): delete it to resume from the one before"
        ) from None
