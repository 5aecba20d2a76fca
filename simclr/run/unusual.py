"""What deserves a look while a run goes on: a loss that jumps, samples that do not come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Timer
from typing import TypeVar

T = TypeVar("T")

_KNOWN = 100  # steps after which a loss is unusual or not
_MEMORY = 0.98  # of what was, in a step
_FAR = 8.0  # standard deviations
_MOST = 5  # notes in a run


class LossSpikes:
    """Notices a loss far above what it was, by running mean and variance; says so a few times at most."""

    def __init__(self) -> None:
        self._mean, self._variance, self._seen, self._said = 0.0, 0.0, 0, 0

    def note(self, step: int, loss: float) -> str | None:
        """A sentence where the loss of a step jumps, else None.

        Args:
            step: its number.
            loss: finite.
        """
        away = loss - self._mean
        spread = max(self._variance**0.5, 1e-3 * abs(self._mean))
        jumps = self._seen >= _KNOWN and away > _FAR * spread
        self._seen += 1
        if jumps:  # it is not taken into the mean: a second one is as unusual
            self._said += 1
            if self._said > _MOST:
                return None
            return (
                f"step {step}: the loss jumped to {loss:.4g} from {self._mean:.4g} ± {spread:.2g}; if it does not come "
                f"back, lower train.lr"
            )
        rate = max(1 - _MEMORY, 1 / self._seen)
        self._mean += rate * away
        self._variance = (1 - rate) * (self._variance + rate * away * away)
        return None


def noting_stalls(feed: Iterable[T], say: Callable[[str], None], seconds: float = 60.0) -> Iterator[T]:
    """The same batches; one that does not come for a while is told of while it does not.

    Args:
        feed: batches.
        say: prints a line for the user; called by another thread.
        seconds: to wait before.
    """
    taken = iter(feed)
    while True:
        note = f"the next samples have not come for {seconds:.0f} s: is the disk or the network slow?"
        timer = Timer(seconds, say, [note])
        timer.daemon = True
        timer.start()
        try:
            batch = next(taken)
        except StopIteration:
            return
        finally:
            timer.cancel()
        yield batch
