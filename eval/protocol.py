"""What is asked of an evaluation: the words of the command line turned into numbers, and checked."""

from __future__ import annotations

from simclr.errors import InputError


def shots_of(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise InputError(f"--shots is {text!r}: give numbers of labels per class, such as 5,20")
    return numbers


def shares_of(text: str | None, option: str = "--labels") -> tuple[float, ...]:
    found = []
    for part in () if text is None else text.split(","):
        number, percent = part.strip().removesuffix("%"), part.strip().endswith("%")
        try:
            found.append(float(number) / (100 if percent else 1))
        except ValueError:
            found.append(0.0)
    if not all(0 < share < 1 for share in found):
        raise InputError(f"{option} is {text!r}: give shares of each class's labels, such as 1%,10%")
    return tuple(found)
