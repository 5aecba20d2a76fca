"""What all judging commands say beside their tables: the command, notes of the data, files that were written."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text


def command_line() -> str:
    """The command as it was typed."""
    return shlex.join(["simclr", *sys.argv[1:]])


def say_notes(notes: Iterable[str]) -> None:
    """Prints what deserves a look, a line each, on stderr."""
    for note in notes:
        Console(stderr=True).print(Text(note), soft_wrap=True)


def say_written(files: Sequence[Path], console: Console) -> None:
    """Prints which files were written: the first by its path, the others, beside it, by their names."""
    first, *others = files
    names = " and ".join([str(first), *(file.name for file in others)])
    console.print(Text(f"written: {names}"), soft_wrap=True)
