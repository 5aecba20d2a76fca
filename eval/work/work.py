"""The work of an evaluation, part by part: what is finished is kept and not done again, what is left is foretold."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import JsonValue
from torch import Tensor

from simclr import errors
from simclr.eval.work.forecast import Forecast
from simclr.eval.work.journal import Journal, Part, digest_of

T = TypeVar("T")


@dataclass(frozen=True)
class Form(Generic[T]):
    """How a result of one kind becomes a part, and comes back."""

    pack: Callable[[T], Part]
    unpack: Callable[[Part], T]


@dataclass(frozen=True)
class Work:
    """What an evaluation hands to those who do its parts.

    Attributes:
        journal: where finished parts are kept.
        forecast: of what is left.
        scope: hash of what all parts that are done here depend on.
        say: told a line that people should see at once; None where nobody listens.
    """

    journal: Journal = field(default_factory=lambda: Journal(None))
    forecast: Forecast = field(default_factory=Forecast)
    scope: str = ""
    say: Callable[[str], None] | None = None

    @property
    def keeps(self) -> bool:
        """Whether finished parts are kept."""
        return self.journal.file is not None

    def within(self, **depends_on: JsonValue | Tensor) -> Work:
        """The same work, where every part depends on these, too; tensors count by their content."""
        if not self.keeps:
            return self
        return replace(self, scope=digest_of({**depends_on, "": self.scope}))

    def part(
        self, form: Form[T], make: Callable[[], T], kind: str = "", units: float = 0.0, **key: JsonValue | Tensor
    ) -> T:
        """One part: as it was kept, or made now and kept.

        Args:
            form: of the result.
            make: does it.
            kind: of the forecast that it belongs to, and how many of its ``units`` it is.
            key: what it depends on beside the scope.
        """
        name = digest_of({**key, "": self.scope}) if self.keeps else ""
        kept = self.journal[name]
        if kept is not None:
            self.forecast.drop(kind, units)
            return form.unpack(kept)
        with self.forecast.running(kind, units) if kind else nullcontext():
            made = make()
        if not self.keeps:
            return made
        self.journal[name] = part = form.pack(made)
        return form.unpack(part)


FACTS: Form[JsonValue] = Form(Part, lambda part: part.facts)
"""Whatever JSON holds."""
TENSORS: Form[Mapping[str, Tensor]] = Form(lambda tensors: Part(None, tensors), lambda part: part.tensors)
"""Tensors by name."""


@cache
def code_hash() -> str:
    """SHA-256 of the source of our packages: a part that other code made is none."""
    package = Path(errors.__file__).resolve().parent
    folders = [package, package / "augment", package / "eval"]
    files = {file.resolve() for folder in folders for file in folder.resolve().rglob("*.py")}
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.parent.name}/{file.name}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
