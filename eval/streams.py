"""The random streams of evaluation: a name for everything that is drawn, and a number that nothing else has."""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class Stream(IntEnum):
    """What takes the place of the epoch in ``simclr.augment.addressed.permutation(seed, stream, n)``.

    All lie far from any epoch that a training run reaches. A number that is in use never changes, since splits and
    their hashes follow from it; a new stream takes a new number.
    """

    SPLIT = 2**23
    MONITOR = 2**23 + 1
    BLOCKS = 2**23 + 2
    BLOCK_OFFSET = 2**23 + 3
    VALIDATION = 2**23 + 4
    UNKNOWN_CLASSES = 2**23 + 5
    EMBEDDING = 2**23 + 6
    STRUCTURE = 2**23 + 7
    BASELINES = 2**23 + 8
    TWO_SETS = 2**23 + 9
    LIKENESS = 2**23 + 20
    DRAWN_SETS = 2**23 + 21
    # One for each split of a set into halves, counted from here.
    HALVES = 2**23 + 2**21
    # One for each epoch of the SGD probe, counted from here: they follow no order that pretraining had.
    SGD = 2**23 + 2**22
