"""How long what is left to do takes, by what it took so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class _Kind:
    todo: float = 0.0
    done: float = 0.0
    seconds: float = 0.0


@dataclass
class _Running:
    """What goes on now: its kind, what of it is not done yet, and since when."""

    kind: str
    units: float
    since: float


class Forecast:
    """Work of several kinds, each in units of its own, such as samples, fits or steps.

    Example:
        >>> forecast = Forecast()
        >>> forecast.expect("features", 1_000)
        >>> forecast.took("features", 100, seconds=2.0)
        >>> forecast.left(), forecast.is_whole
        (18.0, True)
    """

    def __init__(self) -> None:
        self._kinds: dict[str, _Kind] = {}
        self._running: _Running | None = None

    def expect(self, kind: str, units: float) -> None:
        """So much more is to be done."""
        self._of(kind).todo += units

    def took(self, kind: str, units: float, seconds: float) -> None:
        """So much of what was expected has been done."""
        one = self._of(kind)
        one.done, one.seconds = one.done + units, one.seconds + seconds
        self.drop(kind, units)
        now = self._running
        if now is not None and now.kind == kind:
            self._running = _Running(kind, max(0.0, now.units - units), now.since + seconds)

    def paced(self, kind: str) -> Callable[[int, int], None]:
        """What is told, from now on, of how many units of one go are done, and of how many there are."""
        before = 0, time.perf_counter()

        def told(done: int, total: int) -> None:
            nonlocal before
            now = time.perf_counter()
            if done > before[0]:
                self.took(kind, done - before[0], now - before[1])
            before = done, now

        return told

    @contextmanager
    def running(self, kind: str, units: float) -> Iterator[None]:
        """Within this, so much of a kind is being done: it counts down meanwhile, and has been done in the end.

        What is told of it on the way by `took` is not told again.
        """
        outside = self._running
        self._running = _Running(kind, units, time.perf_counter())
        try:
            yield
            now = self._running
            self.took(kind, now.units, time.perf_counter() - now.since)
        finally:
            self._running = outside

    def tried(self, kind: str, units: float, seconds: float) -> None:
        """So much was done to see how long it takes: it is still to be done, and real work replaces what was seen."""
        one = self._of(kind)
        if not one.done:
            one.done, one.seconds = 1e-9 * units, 1e-9 * seconds

    def learn(self, other: Forecast) -> None:
        """How long things take, from what was done to see that: all of it is still to be done."""
        for kind, one in other._kinds.items():
            if one.done:
                self.tried(kind, one.done, one.seconds)

    def drop(self, kind: str, units: float) -> None:
        """So much need not be done any more."""
        one = self._of(kind)
        one.todo = max(0.0, one.todo - units)

    def left(self, kind: str | None = None) -> float:
        """Seconds that what is left takes, of one kind or of all kinds of which something was done."""
        if kind is None:
            return sum(self.left(name) for name in list(self._kinds))
        one, now = self._of(kind), self._running
        pace = one.seconds / one.done if one.done else 0.0
        gone = 0.0
        if now is not None and now.kind == kind:
            gone = min(time.perf_counter() - now.since, now.units * pace)
        return max(0.0, one.todo * pace - gone)

    def expects(self, kind: str) -> bool:
        """Whether something of a kind is left."""
        return self._of(kind).todo > 0

    @property
    def is_whole(self) -> bool:
        """Whether something was done of every kind of which something is left."""
        return all(one.done or not one.todo for one in list(self._kinds.values()))

    def words(self) -> str:
        """The time that is left, such as ``about 2 min``; empty where nothing is known.

        Never ``0 s``: whoever asks is still at work.
        """
        if not any(one.done for one in list(self._kinds.values())):
            return ""
        seconds = self.left()
        said = duration(seconds) if seconds >= 1 else "a second"
        if not self.is_whole:
            return f"{said} or more"
        return f"about {said}" if seconds >= 1 else "a second or two"

    def _of(self, kind: str) -> _Kind:
        return self._kinds.setdefault(kind, _Kind())


def duration(seconds: float) -> str:
    """Seconds as people say it: ``40 s``, ``7 min``, ``3.5 h``."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_970 else f"{seconds / 3600:.1f} h"
