"""One-line checks of the arguments of operations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real


def probability(name: str, value: float) -> float:
    """``value`` as a float if it is a number in 0..1; ValueError otherwise."""
    if not _is_number(value) or not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} is {value!r}, but must be a probability between 0 and 1.")
    return float(value)


def number(name: str, value: float, low: float = -math.inf, high: float = math.inf) -> float:
    """``value`` as a float if it is a finite number in low..high; ValueError otherwise."""
    if not _is_number(value) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}, but must be a number{_bounds(low, high)}.")
    return float(value)


def integer(name: str, value: int, low: int, high: float = math.inf) -> int:
    """``value`` as an int if it is an integer in low..high; ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}, but must be an integer{_bounds(low, high)}.")
    return int(value)


def interval(name: str, value: Sequence[float], low: float, high: float, open_low: bool = False) -> tuple[float, float]:
    """``value`` as (from, to) if it is an increasing pair within low..high; ValueError otherwise."""
    pair = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
    if len(pair) != 2 or not all(_is_number(v) for v in pair):
        raise ValueError(f"{name} is {value!r}, but must be a pair of numbers [from, to].")
    if min(pair) < low or max(pair) > high or (open_low and min(pair) == low):
        raise ValueError(f"{name} is {value!r}, but both ends must be numbers{_bounds(low, high, open_low)}.")
    if pair[0] > pair[1]:
        raise ValueError(f"{name} is {value!r}, but must increase: use [{pair[1]}, {pair[0]}].")
    return float(pair[0]), float(pair[1])


def image_size(name: str, value: int | Sequence[int]) -> tuple[int, int]:
    """``value`` as (height, width) if it is a positive integer or a pair of them; ValueError otherwise."""
    pair = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value, value]
    if len(pair) != 2:
        raise ValueError(f"{name} is {value!r}, but must be an integer or a pair (height, width).")
    return integer(name, pair[0], 1), integer(name, pair[1], 1)


def counted(n: int, noun: str) -> str:
    """A number with its noun: 1 band, 200 bands."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _bounds(low: float, high: float, open_low: bool = False) -> str:
    if math.isinf(low) and math.isinf(high):
        return ""
    if math.isinf(high):
        return f" above {low}" if open_low else f" of at least {low}"
    return f" above {low} and at most {high}" if open_low else f" between {low} and {high}"
