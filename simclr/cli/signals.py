"""Signals to stop a command: Ctrl-C, SIGTERM and others are exceptions, but not in the middle of an import."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from simclr.errors import StoppedError
from simclr.launch import STOPPING, is_main_process

INTERRUPTED = "simclr: interrupted"
_IMPORTING = "<frozen importlib._bootstrap>"
_SHOW_CURSOR = "\x1b[?25h"


@contextmanager
def heard() -> Iterator[None]:
    """While a command runs, SIGINT raises KeyboardInterrupt, and others that ask for an end raise StoppedError.

    What is ignored stays ignored.

    During an import the process ends at once: a library that is torn out of its own takes the exception for a fault,
    tries again, and fails with another one long after.
    """
    numbers = [n for n in STOPPING if signal.getsignal(n) not in (signal.SIG_IGN, None)]
    before = {number: signal.signal(number, _hear) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hear(number: int, frame: FrameType | None) -> None:
    stopped = StoppedError(f"stopped by {signal.Signals(number).name}", number)
    if _importing(frame):
        text = INTERRUPTED if number == signal.SIGINT else f"simclr: {stopped}"
        # print is not safe here: it may be what was interrupted.
        with suppress(OSError):
            if is_main_process():
                os.write(2, f"{_SHOW_CURSOR if os.isatty(2) else ''}{text}\n".encode())
        os._exit(stopped.status)
    raise KeyboardInterrupt if number == signal.SIGINT else stopped


def _importing(frame: FrameType | None) -> bool:
    """Whether a frame, or one that called it, is at an import; what called the command line itself does not count."""
    while frame is not None and frame.f_globals.get("__name__") != "simclr.cli.main":
        if frame.f_code.co_filename == _IMPORTING:
            return True
        frame = frame.f_back
    return False
