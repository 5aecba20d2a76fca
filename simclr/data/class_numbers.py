"""Class numbers as files hold them, and which of them mean "unlabelled": one convention for images and scenes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from simclr.errors import InputError

# What is left of -1, or of "nothing here", in an unsigned type: the largest number of 8, 16, 32 and 64 bits.
_FILLS = (2**8 - 1, 2**16 - 1, 2**32 - 1, 2**64 - 1)
# Up to here floats tell whole numbers apart.
_LARGEST = 2**53

Unlabelled = int | Sequence[int] | None
"""Numbers that mean unlabelled, beside the negative ones; None = not said."""


def class_numbers(
    values: np.ndarray, what: str, unlabelled: Unlabelled = None, *, zero: bool = False, key: str = "data.unlabelled"
) -> Tensor:
    """Class numbers of any real type as int64, -1 where there is no class.

    Negative numbers and NaN always mean unlabelled, and so does what ``unlabelled`` names. Where it names nothing, 0
    means unlabelled in a ground truth (``zero``) that marks nothing in another way. One that holds -1 numbers its
    classes from 0, as labels are numbered everywhere else: there, 0 is a class.

    Args:
        values: numbers of any shape; floats must be whole.
        what: what they are, for the error.
        unlabelled: see above.
        zero: whether 0 usually means unlabelled.
        key: what to set where the numbers cannot be understood without; empty where there is no such thing.

    Returns:
        int64 of the same shape: class numbers as they were, or -1.

    Raises:
        InputError: numbers that are not whole or far too large, or that can be read in two ways: the largest number of
            an unsigned type (255, …) that stands apart from all others, or 0 beside a mark such as -9999.
    """
    if values.dtype.kind not in "uifb":
        raise InputError(f"{what} is {values.dtype} of shape {values.shape}: class numbers are whole numbers.")
    values = values.astype(np.uint8) if values.dtype.kind == "b" else values
    nan = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, dtype=bool)
    nothing = nan | (values < 0)
    if values.dtype.kind == "f":
        broken = values[~nothing & (np.isinf(values) | (np.floor(values) != values))]
        if len(broken):
            raise InputError(f"{what} holds {broken[0]:g}: class numbers are whole numbers.")
    there = [int(number) for number in np.unique(values[~nothing])]
    if unlabelled is None:
        _check_fill(there, what, zero, key)
        if zero and 0 in there:
            if bool(nan.any()) or bool((values < -1).any()):
                raise InputError(_zero_and_mark(values, nan, what, key))
            nothing = nothing if bool(nothing.any()) else values == 0
    else:
        for number in [unlabelled] if isinstance(unlabelled, int) else unlabelled:
            nothing = nothing | (values == number)
    classes = values[~nothing]
    if classes.size and classes.max() > _LARGEST:
        raise InputError(f"{what} holds the class number {classes.max()}: number the classes in smaller steps.")
    found = np.full(values.shape, -1, dtype=np.int64)
    found[~nothing] = classes.astype(np.int64)
    return torch.from_numpy(found)


def _check_fill(there: Sequence[int], what: str, zero: bool, key: str) -> None:
    """Raises InputError where the largest number stands apart from the others, and is the largest of its type."""
    if len(there) < 2 or there[-1] not in _FILLS or there[-2] == there[-1] - 1:
        return
    fill, others = there[-1], f"{there[0]} to {there[-2]}"
    if not key:
        raise InputError(f"{what} holds {fill} beside {others}, which looks like a mark: replace it by -1 or 0.")
    both = f", or {key}=[0,{fill}] where 0 is unlabelled too" if there[0] == 0 else ""
    raise InputError(
        f"{what} holds {fill} beside the numbers {others}: set {key}={fill} if it means unlabelled{both}, and "
        f"{key}={0 if zero else -1} if it is a class."
    )


def _zero_and_mark(values: np.ndarray, nan: np.ndarray, what: str, key: str) -> str:
    mark = "NaN" if bool(nan.any()) else f"{values.min():g}"
    if not key:
        return f"{what} holds both 0 and {mark}, which are both marks: replace one of them."
    also = -1 if mark == "NaN" else mark
    return (
        f"{what} holds 0 and, for unlabelled, {mark}: set {key}=0 if 0 is unlabelled too, and {key}={also} if it is a "
        f"class."
    )
