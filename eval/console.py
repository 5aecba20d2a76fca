"""What all judging commands say beside their tables: the command, notes of the data, files that were written."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.text import Text

from simclr.data.workers import usable_cores


def command_line() -> str:
    """The command as it was typed."""
    return shlex.join(["simclr", *sys.argv[1:]])


def fit_threads() -> list[str]:
    """Lets torch compute with as many threads as there are cores for this process; what OMP_NUM_THREADS says, holds.

    For commands: it is a setting of the whole process.

    Returns:
        A line where the machine has more to do than it has cores.
    """
    cores = usable_cores()
    if "OMP_NUM_THREADS" not in os.environ and torch.get_num_threads() > cores:
        torch.set_num_threads(cores)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if torch.get_num_threads() == 1 or load < 2 * cores:
        return []
    return [
        f"this machine is busy (its load is {load:.0f}, and {cores} of its cores are for this command): several "
        f"commands side by side are quicker with OMP_NUM_THREADS=1 for each"
    ]


def say_notes(notes: Iterable[str]) -> None:
    """Prints what deserves a look, a line each, on stderr."""
    for note in notes:
        Console(stderr=True).print(Text(note), soft_wrap=True)


def say_written(files: Sequence[Path], console: Console) -> None:
    """Prints which files were written: the first by its path, the others, beside it, by their names."""
    first, *others = files
    names = " and ".join([str(first), *(file.name for file in others)])
    console.print(Text(f"written: {names}"), soft_wrap=True)
