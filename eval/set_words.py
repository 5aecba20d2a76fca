"""What A, B and ``--encoder`` of ``simclr distance`` name, found out before torch is imported.

A set is a place, and behind a colon, if anything, a part of it: ``runs/scene``, ``runs/scene:west``, ``new.mat:Corn``.
As in ``simclr linear-eval``, a run stands for its own data, a path for data that is read like a run's, and
``data.KEY=VALUE`` says more about the latter. Where no run and no encoder is named, places are files of features.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from simclr.errors import InputError
from simclr.recipe.named_files import shortened, why_not

ENCODER = "encoder.safetensors"


class NamedSet(NamedTuple):
    """One set as it was named.

    Attributes:
        text: as typed.
        place: file or folder, which is there.
        part: what of it, or None for all.
        is_run: whether the place is a run or an encoder file, and so means the data of its own recipe.
    """

    text: str
    place: Path
    part: str | None
    is_run: bool


class NamedPair(NamedTuple):
    """Both sets, and the encoder that sees them; None where they are files of features."""

    a: NamedSet
    b: NamedSet
    encoder: Path | None


def named_pair(a: str, b: str, encoder: str | None = None) -> NamedPair:
    """What two words name. The encoder is the one given, or that of the first run among the two.

    Raises:
        InputError: a place that is not there, or an encoder that is none.
    """
    first, second = named_set(a), named_set(b)
    if encoder is not None:
        path = Path(os.path.expanduser(encoder))
        if why_not(path, "file") and not is_run(path):
            reason = f"holds no {ENCODER}" if path.is_dir() else why_not(path, "file")
            raise InputError(
                f"--encoder is {shortened(encoder)}, which {reason}: give a finished run, or its {ENCODER}"
            )
        return NamedPair(first, second, path)
    return NamedPair(first, second, next((named.place for named in (first, second) if named.is_run), None))


def named_set(text: str) -> NamedSet:
    """What one word names. A colon that belongs to the path of something that is there parts nothing.

    Raises:
        InputError: there is no such place, or no part behind the colon.
    """
    head, _, part = text.rpartition(":")
    readings: list[tuple[str, str | None]] = [(text, None), (head, part)]
    for name, behind in readings:
        place = Path(os.path.expanduser(name))
        if not name.strip() or (why_not(place, "file") and why_not(place, "folder")):
            continue
        if behind is not None and not behind.strip():
            raise InputError(f"'{shortened(text)}' names no part behind the colon: give one, such as a class")
        return NamedSet(text, place, behind and behind.strip(), is_run(place))
    name = head or text
    raise InputError(
        f"'{shortened(name)}' {why_not(name, 'file') if name.strip() else 'names nothing'}: give a run, a file or "
        f"folder of data, or a .npy or .npz file of features"
    )


def is_run(place: Path) -> bool:
    """Whether a place is an encoder file, or a folder that holds one."""
    return (place.suffix == ".safetensors" and not place.is_dir()) or not why_not(place / ENCODER, "file")
