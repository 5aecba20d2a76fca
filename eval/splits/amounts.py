"""How many labels were asked for, checked before anything expensive starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real

from torch import Tensor

from simclr.augment.checks import shown
from simclr.errors import InputError
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.split import Split

LARGEST = 2**63 - 1


def check_amounts(
    data: LabelledData, kinds: Sequence[str | Split], shots: Sequence[int], shares: Sequence[float], exclude: Tensor
) -> None:
    """Refuses numbers of labels that make no sense, or that no class can give.

    Args:
        data: what splits are drawn of.
        kinds: of splits; files and given splits know by themselves what they hold.
        shots: samples of each class.
        shares: shares of each class.
        exclude: ids that no split may use.

    Raises:
        InputError: as said, naming the largest number that is possible.
    """
    for name, values in (("shots", shots), ("labels", shares)):
        twice = [value for value in dict.fromkeys(values) if list(values).count(value) > 1]
        if twice:
            raise InputError(f"{name} names {twice[0]:g} more than once: give every amount once.")
    if shots and min(shots) < 1:
        raise InputError(f"shots is {min(shots)}: give 1 or more samples of each class.")
    drawn = {"random", "block"} & {kind for kind in kinds if isinstance(kind, str)}
    if 1 in shares and drawn and data.test_source is None:
        raise InputError(
            "100 % of the labels leaves none to test on: give less, or a test part (data.test_path), or a split file."
        )
    wrong = [share for share in shares if not 0 < share <= 1]
    if wrong:
        raise InputError(f"{wrong[0]:g} is no share of the labels: give shares above 0 and up to 1, such as 0.1.")
    if shots and drawn:
        labels = data.labels
        labels[exclude] = -1
        labels = labels[: len(data.source)]
        counts = labels[labels >= 0].bincount()
        if len(counts) and max(shots) > int(counts.max()) // 2:
            largest, most = int(counts.argmax()), int(counts.max()) // 2
            advice = f"give {most} or fewer" if most else "label more samples"
            raise InputError(
                f"shots is {max(shots)}, but a class gives at most half of its samples, and the largest, "
                f"{data.class_names[largest]}, has {int(counts.max())}: {advice}."
            )


def listed(values: object) -> list[object] | None:
    """What a list or the like holds; None for a text, and for what cannot be gone through."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        return None
    try:
        return list(values)
    except TypeError:  # a tensor without axes says that it can
        return None


def whole_numbers(name: str, values: object) -> tuple[int, ...]:
    """The numbers, if that is what they are.

    Raises:
        InputError: if they are no list of whole numbers from 0.
    """
    found = listed(values)
    numbers = [int(v) for v in found or () if isinstance(v, Integral) and not isinstance(v, bool)]
    if found is None or len(numbers) < len(found) or min(numbers, default=0) < 0:
        raise InputError(f"{name} is {shown(values)}: give a list of whole numbers, such as [5, 20].")
    if max(numbers, default=0) > LARGEST:
        raise InputError(f"{name} names {shown(max(numbers))}: give numbers up to {LARGEST}.")
    return tuple(numbers)


def check_switch(name: str, value: object, unset: bool = True) -> None:
    """Raises InputError unless a value is True, False or, where it may be left open, None."""
    if not isinstance(value, bool) and not (unset and value is None):
        raise InputError(f"{name} is {shown(value)}: give True or False{', or None to leave it open' * unset}.")


def check_share(name: str, value: object) -> float:
    """A share from 0 to below 1.

    Raises:
        InputError: anything else.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) < 1:
        raise InputError(f"{name} is {shown(value)}: give a share of 0 or more and less than 1, such as 0.2.")
    return float(value)


def check_options(name: str, options: object, usual: Mapping[str, float | str | None]) -> None:
    """Refuses options that are no dict of some of the usual ones, each with a value of its kind.

    Args:
        name: what they are called.
        options: as given.
        usual: every option and its usual value; None stands for a whole number that is not given.

    Raises:
        InputError: as said.
    """
    if not isinstance(options, dict) or not options.keys() <= usual.keys():
        raise InputError(f"{name} is {shown(options)}: give a dict of some of {', '.join(usual)}.")
    for key, value in options.items():
        like = usual[key]
        kind = Real if isinstance(like, float) else int if like is None else type(like)
        if not (isinstance(value, kind) or (like is None and value is None)):
            raise InputError(f"{name} has {key}={shown(value)}: give one like {shown(like)}.")
