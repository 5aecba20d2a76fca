"""One-line checks of the arguments of operations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import cast

MOST_SIDE = 1 << 15
"""More than any side of an image."""

# Numbers beyond these, squared, multiplied by a pixel or divided by, are not to be worked with in float32.
_LEAST, _MOST = 1e-30, 1e30
_MOST_INTEGER = 2**31 - 1


def probability(name: str, value: float) -> float:
    """``value`` as a float if it is a number in 0..1; ValueError otherwise."""
    if not is_number(value) or not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} is {shown(value)}, but must be a probability between 0 and 1.")
    return float(value)


def number(name: str, value: float, low: float = -math.inf, high: float = math.inf) -> float:
    """``value`` as a float if it is a finite number in low..high that float32 can work with; ValueError otherwise."""
    if not is_number(value) or not low <= value <= high:
        raise ValueError(f"{name} is {shown(value)}, but must be a number{_bounds(low, high)}.")
    return _workable(name, value)


def integer(name: str, value: int, low: int, high: float = _MOST_INTEGER) -> int:
    """``value`` as an int if it is an integer in low..high; ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not low <= value <= high:
        few = high == _MOST_INTEGER and not (isinstance(value, Integral) and value > high)
        raise ValueError(f"{name} is {shown(value)}, but must be an integer{_bounds(low, math.inf if few else high)}.")
    return int(value)


def switch(name: str, value: bool) -> bool:
    """``value`` if it is True or False; ValueError otherwise."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {shown(value)}, but must be True or False.")
    return value


def choice(name: str, value: str, known: Sequence[str]) -> str:
    """``value`` if it is one of the known words; ValueError otherwise."""
    if not isinstance(value, str) or value not in known:
        *first, last = (f'"{word}"' for word in known)
        raise ValueError(f"{name} is {shown(value)}, but must be {', '.join(first)} or {last}.")
    return value


def interval(name: str, value: Sequence[float], low: float, high: float, open_low: bool = False) -> tuple[float, float]:
    """``value`` as (from, to) if it is an increasing pair within low..high; ValueError otherwise."""
    pair = list(value) if is_list(value) and len(value) == 2 else []
    if not pair or not all(is_number(v) for v in pair):
        raise ValueError(f"{name} is {shown(value)}, but must be a pair of numbers [from, to].")
    if min(pair) < low or max(pair) > high or (open_low and min(pair) == low):
        raise ValueError(f"{name} is {shown(value)}, but both ends must be numbers{_bounds(low, high, open_low)}.")
    if pair[0] > pair[1]:
        raise ValueError(f"{name} is {shown(value)}, but must increase: use [{pair[1]}, {pair[0]}].")
    return _workable(name, pair[0]), _workable(name, pair[1])


def image_size(name: str, value: int | Sequence[int]) -> tuple[int, int]:
    """``value`` as (height, width) if it is a positive integer or a pair of them; ValueError otherwise."""
    pair = cast(Sequence[int], value if is_list(value) else (value, value))
    if len(pair) != 2:
        raise ValueError(f"{name} is {shown(value)}, but must be an integer or a pair (height, width).")
    height, width = (integer(name, side, 1) for side in pair)
    if max(height, width) > MOST_SIDE:
        raise ValueError(f"{name} is {height}x{width}, but images have at most {MOST_SIDE:,} pixels a side.")
    return height, width


def is_list(value: object) -> bool:
    """Whether it is a list or the like, and no text."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


def counted(n: int, noun: str) -> str:
    """A number with its noun: 1 band, 200 bands."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def shown(value: object) -> str:
    """A value in one line, however long."""
    if isinstance(value, int) and value.bit_length() > 100:
        return "a number of more than 30 digits"
    if is_list(value) and len(value) > 8:  # type: ignore[arg-type]
        return f"a {type(value).__name__} of {len(value):,}"  # type: ignore[arg-type]
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # of an integer inside that is too long to be written
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:80]}…"


def _workable(name: str, value: float) -> float:
    if value != 0 and not _LEAST <= abs(value) <= _MOST:
        raise ValueError(f"{name} is {shown(value)}, but must be 0 or between {_LEAST} and {_MOST} in size.")
    return float(value)


def is_number(value: object) -> bool:
    """Whether it is a number: no truth value, no NaN, and not infinite."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    # The whole numbers beyond a float's range are refused with other large ones.
    return isinstance(value, Integral) or math.isfinite(value)


def _bounds(low: float, high: float, open_low: bool = False) -> str:
    if math.isinf(low) and math.isinf(high):
        return ""
    if math.isinf(high):
        return f" above {low}" if open_low else f" of at least {low}"
    return f" above {low} and at most {high}" if open_low else f" between {low} and {high}"
