"""A step that does not fit into memory: one line that says how many images at once would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from simclr.errors import InputError


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was what was missing, on a GPU or not: torch has no class of its own for the latter."""
    words = ("can't allocate memory", "not enough memory", "out of memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )


@contextmanager
def memory_explained(images: int, take: Callable[[int], object] | None, key: str) -> Iterator[None]:
    """Within this, a step is taken; where memory does not suffice, half as many images at once are tried, and so on.

    Args:
        images: that went through the network at once.
        take: forward and backward of the first so many images of the step; None where it cannot be tried, as on several
            processes, which would wait for each other.
        key: of the recipe that says how many.

    Raises:
        InputError: out of memory; says what fits, or what to try.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        said = f"out of memory with {images} images at once"
    else:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if take is None:
        raise InputError(f"{said}: set {key}={max(2, images // 2)}, or less")
    fits = images // 2
    while fits > 1 and not _fits(take, fits):
        fits //= 2
    if fits > 1:
        raise InputError(f"{said}; {fits} fit: set {key}={fits}")
    raise InputError(f"{said}, and with two: take a smaller encoder or smaller images")


def _fits(take: Callable[[int], object], images: int) -> bool:
    try:
        take(images)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return False
    return True
