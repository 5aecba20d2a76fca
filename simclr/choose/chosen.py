"""A value that was chosen for a recipe, and why."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import JsonValue


class Chosen(NamedTuple):
    """One value.

    Attributes:
        key: of the recipe, dotted, such as ``augment.affine.degrees``.
        value: what it holds.
        why: in a few words; empty where the reason is that of the value before it.
    """

    key: str
    value: JsonValue
    why: str = ""

    def __str__(self) -> str:
        value = str(self.value).lower() if isinstance(self.value, bool) or self.value is None else self.value
        return f"{self.key}={value}" + (f": {self.why}" if self.why else "")
