"""What all fuzzing shares: seeded odd values, mutations, and a judge of how a call ended.

A short run is part of the tests; ``make fuzz`` makes the long one. The n-th try of a test is the same in both.
"""

import json
import math
import os
import random
import re
import resource
import signal
import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
OURS = tuple(str(ROOT / name) + os.sep for name in ("augment", "simclr", "eval"))
CPU_SECONDS, WALL_SECONDS, MOST_BYTES = 5, 60, 2**30
RAW = re.compile(r"Traceback|\b(Key|Type|Attribute|Index|Value|Recursion|Overflow|Memory|Runtime|Assertion)Error\b")

# A line a kind: nothing and truth, numbers, texts of numbers, texts, paths and markup, lists, mappings.
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False),
    *(0, -1, 1, 2, 3, 7, 255, 2**31, 2**63, 10**9, 10**20, -(10**20)),
    *(0.0, -0.0, 0.5, 1e-320, 1e30, 1e308, math.inf, -math.inf, math.nan),
    *("0", "-1", "010", "1:30", "1e5", "1e400", "nan", "9" * 5000, "2024-01-01"),
    *("", " ", "x", "on", "~", "null", "é", "\u202e", "💥", "x" * 300, "a\nb", "%s", "{}", "@x", "a #b", "a: b"),
    *("../..", "/", "/dev/null", ".", "<b>", "[bold]"),
    *([], [None], [0], [1, 2], [1.5, "x"], [[[]]]),
    *({}, {"a": 1}, {"": None}, {"a": {"b": []}}),
)
OTHER_FILES = (b"", b"\0" * 1000, b"\x1f\x8b\x08\0", b"PK\3\4", b"\x89HDF\r\n\x1a\n", b"II*\0" + b"\xff" * 60)
Tried = tuple[str, Callable[[], object]]


class TooLong(BaseException):
    """The call took more time than it may."""


class Odd:
    """Odd values and mutations; each seed gives others."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)

    def value(self) -> Any:
        """Something that is seldom expected."""
        if self.random.random() < 0.03:
            deep: Any = 1
            for _ in range(self.random.choice((10, 50, 200))):
                deep = [deep] if self.random.random() < 0.5 else {"a": deep}
            return deep
        if self.random.random() < 0.02:
            return [0] * 100_000
        return deepcopy(self.random.choice(ODD_VALUES))

    def tree(self, tree: Any, changes: int | None = None) -> Any:
        """A JSON-like tree with a few things replaced, left out, added or renamed."""
        tree = deepcopy(tree)
        for _ in range(changes or self.random.choice((1, 1, 1, 2, 4))):
            places = list(_places(tree))
            if not places:
                return self.value()
            holder, key = self.random.choice(places)
            what = self.random.random()
            if what < 0.6:
                holder[key] = self.value()
            elif what < 0.75:
                del holder[key]
            elif isinstance(holder, dict):
                holder[self.random.choice(("x", "", str(key) + "x", str(key).upper(), "a" * 300))] = self.value()
            else:
                holder.insert(self.random.randrange(len(holder) + 1), self.value())
        return tree

    def json(self, tree: Any) -> str:
        """A tree as JSON, which is YAML, too; now and then with a part that nests thousands of levels deep."""
        text = json.dumps(tree)
        if self.random.random() < 0.03:
            deep = self.random.choice((1000, 5000, 100_000))
            text = text.replace("null", "[" * deep + "]" * deep, 1) if "null" in text else "[" * deep
        return text

    def bytes(self, content: bytes) -> bytes:
        """A file's content with bytes flipped, cut off, doubled, or of another kind altogether."""
        data, what = bytearray(content), self.random.random()
        if what < 0.15:
            return bytes(data[: self.random.randrange(len(data) + 1)])
        if what < 0.2:
            return bytes(data) + self.random.randbytes(self.random.randrange(1, 100))
        if what < 0.25:
            return self.random.randbytes(self.random.randrange(300))
        if what < 0.3:
            return self.random.choice(
                (b"", b"\0" * 1000, b"\x1f\x8b\x08\0", b"PK\3\4", b"\x89HDF\r\n\x1a\n", b"II*\0" + b"\xff" * 60)
            )
        # Most of what a reader trusts stands at the beginning.
        reach = len(data) if self.random.random() < 0.3 else min(len(data), 400)
        for _ in range(self.random.choice((1, 1, 2, 4, 16))):
            if reach:
                odd = self.random.choice((0, 1, 0x7F, 0x80, 0xFF, self.random.randrange(256)))
                data[self.random.randrange(reach)] = odd
        return bytes(data)

    def text(self, text: str) -> str:
        """A text with characters, words or lines exchanged."""
        lines = text.split("\n")
        for _ in range(self.random.choice((1, 1, 2, 4))):
            i = self.random.randrange(len(lines))
            what = self.random.random()
            if what < 0.3:
                lines.insert(i, self.random.choice(lines))
            elif what < 0.45:
                del lines[i]
                lines = lines or [""]
            elif what < 0.75 and lines[i]:
                j = self.random.randrange(len(lines[i]))
                lines[i] = lines[i][:j] + self.random.choice("\t:[]{}&*!|>'\"%@`,#-? \ufeff\0é0") + lines[i][j + 1 :]
            else:
                key, colon, _ = lines[i].partition(":")
                lines[i] = key + colon + " " + str(self.value())
        return "\n".join(lines)


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        yield tree, key
        yield from _places(tree[key])


def _status(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def complaint_about(call: Callable[[], object]) -> str | None:
    """What is wrong with how a call ended; None if it returned, or refused in one line of its own."""
    from simclr.errors import InputError

    measured = os.path.exists("/proc/self/clear_refs")
    if measured:
        Path("/proc/self/clear_refs").write_text("5")
    before, said = _status("VmRSS") if measured else 0, None
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
    except TooLong:
        said = f"took more than {CPU_SECONDS} seconds of computing, or {WALL_SECONDS} in all"
    except Exception as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        raised_by_us = trace is not None and trace.tb_frame.f_code.co_filename.startswith(OURS)
        text = str(error)
        if not isinstance(error, InputError) and not (raised_by_us and isinstance(error, ValueError | TypeError)):
            said = f"{type(error).__name__}: {text[:300]} ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"
        elif "\n" in text or not text.strip() or len(text) > 900 or RAW.search(text):
            said = f"is no clear line: {text[:500]!r} … of {len(text)} characters"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    if said is None and measured and (taken := _status("VmHWM") - before) > MOST_BYTES:
        said = f"took {taken / 2**30:.1f} GiB of memory"
    return said


@pytest.fixture(scope="session", autouse=True)
def _alarms() -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        raise TooLong

    old = [(number, signal.signal(number, stop)) for number in (signal.SIGPROF, signal.SIGALRM)]
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, limits[1]))
    yield
    for number, handler in old:
        signal.signal(number, handler)


@pytest.fixture
def fuzz() -> Callable[[int, Callable[[Odd], Tried]], None]:
    """``fuzz(tries, make)``: all the tries in a long run, a share of them otherwise.

    ``make(odd)`` prepares what is tried, and gives a word for it and the call.
    """

    def run(tries: int, make: Callable[[Odd], Tried]) -> None:
        tries = max(10, round(float(os.environ.get("FUZZ", "0.04")) * tries))
        first = int(os.environ.get("FUZZ_FROM", "0"))
        failures = []
        for n in range(first, first + tries):
            what, call = make(Odd(n))
            said = complaint_about(call)
            if said is not None:
                failures.append(f"try {n}: {what[:400]!r}: {said}")
        assert not failures, f"{len(failures)} of {tries} tries:\n" + "\n".join(failures[:40])

    return run
