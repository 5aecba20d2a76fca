"""What was measured, entry by entry, in one JSON file: a run that is stopped goes on where it was."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from simclr.errors import InputError
from simclr.files import write_text

FORMAT = "simclr-quality/1"
UNTRAINED = "untrained"


@dataclass(frozen=True)
class Cell:
    """One representation, probe, kind of split and amount of labels, over all seeds.

    Attributes:
        representation: ``ours``, ``random`` (the same encoder untrained), or the name of a baseline.
        probe: a name of ``simclr.eval.probes.registry.PROBES``, ``nearest``, or a score for unknown classes.
        split: ``random``, ``block``, ``given``, ``episodes``, or ``unknown CLASS``.
        amount: of labels, as in ``5``, ``10%``, or ``all``.
        metric: ``accuracy``, ``R@1``, ``AUROC`` or ``OSCR``.
        test: on the test samples, for each seed, in [0, 1].
        held_out: on training samples that were held out, for each seed; None where nothing can be.
    """

    representation: str
    probe: str
    split: str
    amount: str
    metric: str
    test: tuple[float, ...]
    held_out: tuple[float, ...] | None = None

    @property
    def place(self) -> tuple[str, str, str]:
        """What cells are compared within."""
        return (self.split, self.amount, self.metric)


@dataclass(frozen=True)
class Entry:
    """All cells of one contender on one set, or of the set's untrained baselines.

    Attributes:
        set: name of the data set.
        contender: name, or ``UNTRAINED``.
        seeds: of the splits.
        key: digest of all that the cells depend on.
        cells: the measurements.
        verdict: what the run said without labels: positive is better than untrained; None where it said nothing.
        seconds: that pretraining took.
        feature_dim: width of the representation; None of baselines.
    """

    set: str
    contender: str
    seeds: tuple[int, ...]
    key: str
    cells: tuple[Cell, ...]
    verdict: float | None = None
    seconds: float | None = None
    feature_dim: int | None = None

    @property
    def slot(self) -> tuple[str, str, tuple[int, ...]]:
        """Of two entries in one slot, the newer one counts."""
        return (self.set, self.contender, self.seeds)


class EntryFile:
    """The entries of a file, each written as soon as it is there.

    Args:
        path: of the JSON file, made when needed.

    Raises:
        InputError: if the file is no file of this kind.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: dict[tuple[str, str, tuple[int, ...]], Entry] = {}
        if not path.exists():
            return
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise ValueError(f"its format is {content['format']}")
            for entry in map(_entry, content["entries"]):
                self._entries[entry.slot] = entry
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{path} holds no results of the proving ground ({reason}): give another file") from None

    @property
    def entries(self) -> list[Entry]:
        """All of them, in the order in which they came."""
        return list(self._entries.values())

    def find(self, set_name: str, contender: str, seeds: tuple[int, ...], key: str | None = None) -> Entry | None:
        """The entry of a slot, if it is there and, with a ``key``, depends on the same."""
        entry = self._entries.get((set_name, contender, seeds))
        return entry if entry is not None and key in (None, entry.key) else None

    def add(self, entry: Entry) -> None:
        """Takes an entry in and writes the file, atomically."""
        self._entries[entry.slot] = entry
        lines = ",\n".join(json.dumps(_plain(entry)) for entry in self._entries.values())
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, f'{{"format": "{FORMAT}", "entries": [\n{lines}\n]}}\n')


def _plain(entry: Entry) -> dict[str, object]:
    content = asdict(entry)
    for cell in content["cells"]:
        for name in ("test", "held_out"):
            cell[name] = None if cell[name] is None else [round(value, 5) for value in cell[name]]
    return content


def _entry(content: dict) -> Entry:
    cells = [
        Cell(
            **{
                **cell,
                "test": tuple(cell["test"]),
                "held_out": None if cell["held_out"] is None else tuple(cell["held_out"]),
            }
        )
        for cell in content["cells"]
    ]
    return Entry(**{**content, "seeds": tuple(content["seeds"]), "cells": tuple(cells)})
