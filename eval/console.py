"""What all judging commands say beside their tables: progress, notes of the data, files that were written."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from simclr.data.source import Source


def command_line() -> str:
    """The command as it was typed."""
    return shlex.join(["simclr", *sys.argv[1:]])


def reporter(show: Callable[[str], None]) -> Callable[[str, int, int], None]:
    """What shows progress: called with (what, done, all of it)."""
    started = time.perf_counter()

    def report(what: str, done: int, total: int) -> None:
        show(f"{what} {done:,}/{total:,} · {time.perf_counter() - started:,.0f} s")

    return report


def say_notes(source: Source) -> None:
    """Prints what of a source deserves a look, on stderr."""
    for note in source.notes:
        Console(stderr=True).print(Text(note), soft_wrap=True)


def say_written(files: Sequence[Path], console: Console) -> None:
    """Prints which files were written: the first by its path, the others, beside it, by their names."""
    first, *others = files
    names = " and ".join([str(first), *(file.name for file in others)])
    console.print(Text(f"written: {names}"), soft_wrap=True)
