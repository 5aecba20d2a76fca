"""What a command is doing while it is: a line that moves on a terminal; on a file or pipe, a line every so often."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

SECONDS = 20.0
TICK = 1.0


class Moving:
    """Told what is going on, it shows it on the error stream, with the seconds since it was made.

    Args:
        console: where to.
        left: gives the time that is left, in words, or nothing.
        seconds: on a file or pipe, the time to the first line and between two, ``SECONDS`` by default; what is
            quicker says nothing.
    """

    def __init__(self, console: Console, left: Callable[[], str] = str, seconds: float | None = None) -> None:
        self._console, self._left = console, left
        self._seconds = SECONDS if seconds is None else seconds
        self._began = self._said = time.perf_counter()
        self._part = self._progress = ""
        self.status = console.status("")

    def say(self, part: str, progress: str = "") -> None:
        """Something has begun, or goes on.

        Args:
            part: what it is, the same text as long as it goes on.
            progress: how far it is.
        """
        self._part, self._progress = part, progress
        self.look()

    def report(self, what: str, done: int, total: int) -> None:
        """As evaluations report: a part, how much of it is done, and all of it."""
        self.say(what, f"{done:,}/{total:,}")

    def line(self, text: str) -> None:
        """A line that stays."""
        self._console.print(Text(text), soft_wrap=True)

    def look(self) -> None:
        """Shows what goes on now, where it is time to; also called between two reports."""
        now = time.perf_counter()
        left = self._left()
        words = [" ".join(filter(None, (self._part, self._progress))), f"{now - self._began:,.0f} s"]
        text = " · ".join([*words, f"{left} left"] if left else words)
        if self._console.is_terminal:
            self.status.update(text)
        elif now - self._said > self._seconds:
            self._said = now
            self.line(text)


@contextmanager
def moving(part: str, left: Callable[[], str] = str) -> Iterator[Moving]:
    """Within this, the error stream shows what goes on, first ``part``, and the time that is left in words."""
    shown = Moving(Console(stderr=True), left)
    over = threading.Event()

    def watch() -> None:
        while not over.wait(TICK):  # a part may report nothing for long
            shown.look()

    with shown.status:
        shown.say(part)
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield shown
        finally:
            over.set()
            watcher.join()
