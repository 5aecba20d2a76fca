"""What a command is doing while it is: a line that moves on a terminal; on a file or pipe, one line for each part."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

_SECONDS = 30.0


class Moving:
    """Told what is going on, it shows it on the error stream, with the seconds since it was made.

    Args:
        console: where to.
        seconds: on a file or pipe, a part that takes longer than this gets further lines.
    """

    def __init__(self, console: Console, seconds: float = _SECONDS) -> None:
        self._console, self._seconds = console, seconds
        self._began = self._said = time.perf_counter()
        self._part = ""
        self.status = console.status("")

    def say(self, part: str, progress: str = "") -> None:
        """Something has begun, or goes on.

        Args:
            part: what it is, the same text as long as it goes on.
            progress: how far it is.
        """
        now = time.perf_counter()
        text = f"{part} {progress} · {now - self._began:,.0f} s" if progress else part
        if self._console.is_terminal:
            self.status.update(text)
        elif part != self._part or now - self._said > self._seconds:
            self._console.print(Text(text), soft_wrap=True)
            self._part, self._said = part, now

    def report(self, what: str, done: int, total: int) -> None:
        """As evaluations report: a part, how much of it is done, and all of it."""
        self.say(what, f"{done:,}/{total:,}")


@contextmanager
def moving(part: str) -> Iterator[Moving]:
    """Within this, the error stream shows what goes on; on a terminal first ``part``."""
    console = Console(stderr=True)
    shown = Moving(console)
    with shown.status:
        if console.is_terminal:  # on a file or pipe what is refused at once is one line
            shown.say(part)
        yield shown
