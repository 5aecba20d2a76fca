"""Beside a result: the parts of one that is not finished, and the ones that stood before."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from simclr.eval.maps.belonging import belongs
from simclr.eval.results.result_file import text_of
from simclr.eval.results.row import Record
from simclr.eval.work.forecast import Forecast
from simclr.eval.work.journal import Journal
from simclr.eval.work.work import Work, code_hash
from simclr.files import remove_unfinished, writing
from simclr.run.metadata import versions


def parts_file(result: Path) -> Path:
    """Where the parts of a result are kept until it is whole: ``result.parts.jsonl`` beside ``result.json``."""
    return result.with_suffix(".parts.jsonl")


@contextmanager
def work_on(
    result: Path, forecast: Forecast, say: Callable[[str], None], pictures: tuple[str, ...] = ()
) -> Iterator[Work]:
    """The work whose finished parts lie beside a result, from an evaluation that was cut off, too.

    Parts of other versions or other code are none. Whatever ends this, what is finished is on disk; once the result is
    written, ``journal.clear()`` removes it.

    Args:
        result: the file to be written in the end.
        forecast: told how long things take.
        say: prints a line.
        pictures: names of files that are written beside it.
    """
    remove_unfinished(result.parent, re.compile("|".join(map(re.escape, (result.name, *pictures)))))
    journal = Journal(parts_file(result))
    for note in journal.notes:
        say(note)
    if journal.found:
        parts = f"{journal.found:,} finished part{'s' * (journal.found != 1)}"
        say(f"{parts_file(result).name} holds {parts} of an evaluation that was cut off: what fits is not done again")
    try:
        yield Work(journal, forecast, say=say).within(code=code_hash(), versions=dict(versions()))
    finally:
        known = len(journal.notes)
        journal.write()
        for note in journal.notes[known:]:
            say(note)


def name_aside(result: Path) -> Path:
    """What a result that stands will be called: by the time that it is of, ``result-20261126-164012.json``."""
    when = datetime.fromtimestamp(result.stat().st_mtime)
    while (aside := result.with_name(f"{result.stem}-{when:%Y%m%d-%H%M%S}{result.suffix}")).exists():
        when += timedelta(seconds=1)  # another one of the same second
    return aside


def set_aside(result: Path, pictures: tuple[str, ...], new: Record) -> list[str]:
    """Gives a result that stands, and those of its pictures that were drawn for it, the name by their time.

    One that says the same as the new one, but for command and seconds, as that of an evaluation whose end was cut off,
    is left to be replaced.

    Args:
        result: the file; nothing happens where there is none.
        pictures: names of files beside it.
        new: what will be written.

    Returns:
        A line that says so, if there was one.

    Raises:
        InputError: it cannot be written.
    """
    if not result.is_file() or _told(result.read_bytes()) == _told(text_of(new)):
        return []
    aside = name_aside(result)
    with writing(result):
        for name in pictures:
            picture = result.with_name(name)
            if belongs(picture, result):
                picture.replace(picture.with_name(aside.stem.replace(result.stem, picture.stem, 1) + picture.suffix))
        result.replace(aside)
    return [f"kept: {aside.name}, the {result.name} that stood before (--overwrite replaces it)"]


def _told(text: str | bytes) -> object:
    """What a result says, whoever asked for it; another object each time where it cannot be read."""
    try:
        found = json.loads(text)
    except ValueError:
        return object()
    return {key: value for key, value in found.items() if key not in ("command", "seconds")}
