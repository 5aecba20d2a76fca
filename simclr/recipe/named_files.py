"""The files and folders that a recipe names: whether they are there, known before anything heavy is imported."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from simclr.errors import InputError

Kind = Literal["file", "folder"]


class NamedFile(NamedTuple):
    """A path in a recipe.

    Attributes:
        key: of the recipe, such as ``data.path``.
        path: as it is written there; None where it is left out.
        kind: what it has to be.
        what: in words, as ``a folder of images``.
    """

    key: str
    path: str | None
    kind: Kind
    what: str


def check_files(named: Iterable[NamedFile]) -> None:
    """Refuse paths that are not there, or are something else.

    Raises:
        InputError: the key, the path, what is wrong with it, and what to give.
    """
    for key, path, kind, what in named:
        reason = "" if path is None else why_not(path, kind)
        if reason:
            raise InputError(f"{key} is {shortened(path)}, which {reason}: give {what}.")


def why_not(path: str | Path, kind: Kind) -> str:
    """What keeps a path from being a file, or a folder, that can be read; empty where nothing does."""
    try:
        mode = os.stat(os.path.expanduser(path)).st_mode
        if kind == "folder":
            return "" if stat.S_ISDIR(mode) else "is a file"
        if stat.S_ISDIR(mode):
            return "is a folder"
        return "" if stat.S_ISREG(mode) else "is no file but a device or a pipe"
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist"
    except OSError as error:
        return f"cannot be opened ({error.strerror})"
    except ValueError:  # a NUL, or a character that no file's name can have
        return "is no name that a file can have"


def shortened(text: object, most: int = 120) -> str:
    """Text for a message: in one line, and not longer than it helps."""
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text)[: most + 1])
    return text if len(text) <= most else f"{text[: most - 1]}…"
