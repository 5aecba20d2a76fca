"""Things that are asked for by name, and imported only then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, TypeVar

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """Names and what they stand for; a line is ``"name": "package.module:THING"``.

    Args:
        lines: name -> address. ``lines`` may be added to: what counts is what is there when a name is asked for.

    Example:
        >>> ENCODERS = Registry({"my_net": "my_package.my_net:MyNet"})
        >>> ENCODERS["my_net"]
        <class 'my_package.my_net.MyNet'>
    """

    def __init__(self, lines: dict[str, str]) -> None:
        self.lines = lines

    def __getitem__(self, name: str) -> T:
        thing: T = load(self.lines[name])
        return thing

    def __contains__(self, name: object) -> bool:
        return name in self.lines

    def __iter__(self) -> Iterator[str]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)


def load(address: str) -> Any:
    """What stands at ``package.module:THING``."""
    module, _, name = address.partition(":")
    return getattr(import_module(module), name)
