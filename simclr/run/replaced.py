"""The run that --overwrite replaces: it lies aside until the new one has made a step, and comes back without one."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from simclr.files import writing

# What a run writes, and what others write of it; --overwrite removes all of these, and nothing else.
_ENCODERS = tuple(f"{name}.{kind}" for name in ("encoder", "encoder-target") for kind in ("safetensors", "json"))
WRITTEN = ("run.json", "recipe.yaml", "metrics.jsonl", *_ENCODERS, "views.png", "prototypes.png")
_OF_RESULTS = ("result.json", "few-shot.json", "map.png", "unknown-map.png", "looks-like.png", "report.html")
_IN_FOLDERS = {
    "checkpoints": re.compile(r"\.?(step-\d{8}|diverged)\.pt.*"),
    "features": re.compile(r"\.?[0-9a-f]{32}\.safe.*"),
}
# Results that stood before, their maps, and parts of unfinished ones.
_EARLIER = re.compile(
    r"(result|few-shot|map|unknown-map|looks-like)-\d{8}-\d{6}\.(json|png)|(result|few-shot)\.parts\.jsonl"
)

OF_RUNS = tuple(_IN_FOLDERS)
"""Folders inside that of a run, which hold what it or its judges wrote."""

# Folders inside that of the run. A process that was killed leaves the first, and the next one puts back what is there.
_ASIDE, _REMOVED = ".replaced-run", ".removed-run"


def set_aside(folder: Path) -> None:
    """Move what a run wrote into a folder inside its own.

    Raises:
        InputError: it cannot be written.
    """
    with writing(folder):
        for file in list(_files(folder)):
            _move(file, folder / _ASIDE / file.relative_to(folder))
        for name in _IN_FOLDERS:
            with suppress(OSError):  # it is not there, or holds something of others
                (folder / name).rmdir()


def is_aside(folder: Path) -> bool:
    """Whether a run lies aside, and would come back."""
    return (folder / _ASIDE).exists()


def put_back(folder: Path) -> None:
    """Whatever lies aside goes back to its place, over what is there: safe at whatever point moving was cut off.

    Raises:
        InputError: it cannot be written.
    """
    with writing(folder):
        for file in list((folder / _ASIDE).rglob("*")):
            if file.is_file():
                _move(file, folder / file.relative_to(folder / _ASIDE))
        for name in (_ASIDE, _REMOVED):
            shutil.rmtree(folder / name, ignore_errors=True)


def remove_aside(folder: Path) -> None:
    """What lies aside goes for good, all at once; nothing happens where nothing does."""
    if not is_aside(folder):
        return
    with writing(folder):
        (folder / _ASIDE).rename(folder / _REMOVED)
    shutil.rmtree(folder / _REMOVED, ignore_errors=True)


def _files(folder: Path) -> Iterator[Path]:
    yield from (folder / name for name in (*WRITTEN, *_OF_RESULTS) if (folder / name).is_file())
    yield from (file for file in folder.glob("*") if _EARLIER.fullmatch(file.name) and file.is_file())
    for name, ours in _IN_FOLDERS.items():
        yield from (file for file in (folder / name).glob("*") if ours.fullmatch(file.name))


def _move(file: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    os.replace(file, to)
