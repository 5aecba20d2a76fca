"""The verdict without labels: does h find more than the untrained baselines do?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from torch import Tensor

# docs/does-it-pay.md: 86 % of the runs on scenes, 80 % of those on images.
_RIGHT = " (which was right in four runs of five)"


class Verdict(NamedTuple):
    """A representation against the best of the untrained baselines, by the same measure.

    Attributes:
        h: its own measure, 0 to 1.
        best: that of the best baseline.
        baseline: which that is.
        error: standard error of the difference; 0 where it is not known.
    """

    h: float
    best: float
    baseline: str
    error: float = 0.0

    @property
    def value(self) -> float:
        """Above 0: h is better."""
        return self.h - self.best

    @property
    def is_open(self) -> bool:
        """Whether the difference is within twice its own error, and says nothing."""
        return abs(self.value) < 2 * self.error

    def __str__(self) -> str:
        found = f"h scores {self.h:.3f}, the best untrained baseline ({self.baseline}) {self.best:.3f}"
        if self.error:
            found += f" (difference ±{2 * self.error:.3f})"
        if self.is_open:
            return f"this pretraining may pay or not, as far as can be told without labels: {found}; a few would tell"
        if self.value > 0:
            return f"this pretraining pays, as far as can be told without labels{_RIGHT}: {found}"
        return (
            f"this pretraining does not pay, as far as can be told without labels{_RIGHT}: {found}; use that baseline "
            f"instead, or other views"
        )


Encode = Callable[[Tensor], Tensor]
"""Inputs of the encoder (n, C, H, W) -> representations (n, dim) float32 on the CPU."""
UNTRAINED = "the same network, untrained"


class Judge(Protocol):
    """What compares an encoder's representations of some samples with untrained baselines."""

    def add_baseline(self, name: str, encode: Encode) -> None:
        """What another encoder finds is a baseline, too."""
        ...

    def look(self, encode: Encode) -> Verdict:
        """The verdict on an encoder."""
        ...


def compared(h: float, baselines: Mapping[str, float]) -> Verdict:
    """The verdict of a measure and those of the baselines."""
    best = max(baselines, key=lambda name: baselines[name])
    return Verdict(h, baselines[best], best)
