"""How many labels were asked for, checked before anything expensive starts, and how many there really are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

from torch import Tensor

from eval.splits.labelled import LabelledData
from eval.splits.split import Split
from simclr.errors import InputError


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
    wrong = [share for share in shares if not 0 < share < 1]
    if wrong:
        raise InputError(f"{wrong[0]:g} is no share of the labels: give shares between 0 and 1, such as 0.1.")
    if shots and {"random", "block"} & {kind for kind in kinds if isinstance(kind, str)}:
        labels = data.labels
        labels[exclude] = -1
        labels = labels[: len(data.source)]
        counts = labels[labels >= 0].bincount()
        if len(counts) and max(shots) > int(counts.max()) // 2:
            largest = int(counts.argmax())
            raise InputError(
                f"shots is {max(shots)}, but a class gives at most half of its samples, and the largest, "
                f"{data.class_names[largest]}, has {int(counts.max())}: give {int(counts.max()) // 2} or fewer."
            )


def whole_numbers(name: str, values: object) -> tuple[int, ...]:
    """The numbers, if that is what they are.

    Raises:
        InputError: if they are no list of whole numbers from 0.
    """
    found = list(values) if isinstance(values, Iterable) and not isinstance(values, str) else [None]
    numbers = [int(value) for value in found if isinstance(value, Integral)]
    if len(numbers) < len(found) or min(numbers, default=0) < 0:
        raise InputError(f"{name} is {values!r}: give a list of whole numbers, such as [5, 20].")
    return tuple(numbers)


def fewer_shots(splits: Sequence[Split], data: LabelledData) -> list[dict[str, Any]]:
    """Classes that give fewer training samples than asked for: ``classes``, name -> [least, most] over the seeds.

    One entry for each kind of split and number of shots where there are any. Classes that a split leaves out give none
    and are not among them.
    """
    found = []
    for name, shots in dict.fromkeys((s.name, s.shots) for s in splits if s.shots):
        mine = [s for s in splits if (s.name, s.shots) == (name, shots)]
        counts = [data.labels[s.learned()].bincount(minlength=len(data.class_names)).tolist() for s in mine]
        short = {}
        for c, class_name in enumerate(data.class_names):
            given = [n[c] for n, s in zip(counts, mine) if c not in s.left_out and n[c]]
            if given and min(given) < shots:
                short[class_name] = [min(given), max(given)]
        if short:
            found.append({"split": name, "shots": shots, "classes": short})
    return found


def fewer_shots_lines(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Entries of :func:`fewer_shots` for people, one line each."""
    lines = []
    for entry in entries:
        classes = ", ".join(
            f"{name} ({least}" + (")" if least == most else f" to {most})")
            for name, (least, most) in entry["classes"].items()
        )
        lines.append(f"{entry['split']} split, {entry['shots']} shots: fewer training samples of {classes}")
    return lines
