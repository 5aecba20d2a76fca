"""What of a result is about the same: kinds of split, the main metric, and what holds for a whole kind of split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from simclr.eval.results.record import Result, Row, Skipped, SplitRecord
from simclr.eval.results.words import OVERALL, amount_name, listed, probe_name, representation_name, several, some_of

SUPERVISED = "supervised"
DRAWN = ("random", "stratified")
"""Kinds of split whose pixels lie among each other, as everybody knows of them."""


class OfSplit(Protocol):
    """Anything that was measured on a kind of split."""

    @property
    def split(self) -> str: ...


def kinds(found: Iterable[OfSplit]) -> list[str]:
    """Kinds of split in the order in which they first occur."""
    return list(dict.fromkeys(entry.split for entry in found))


def main_metric(rows: Sequence[Row]) -> str:
    """The overall accuracy, under the name that these rows have for it; of rows without one, their first metric."""
    metrics = [row.metric for row in rows]
    return next(name for name in (*OVERALL, *metrics) if name in metrics)


def over_seeds(result: Result, rows: Sequence[Row]) -> str:
    """What the cells of a table of these rows hold: a mean over seeds, or a single fit where nothing is drawn."""
    fits = [len(row.per_seed) for row in rows if row.seeds]
    if len(result.seeds) > 1 and 1 in fits:
        most = max(fits)
        return "%, single fits" + (f"; mean ± sd over {several(most, 'seed')} where ± stands" if most > 1 else "")
    return f"%, mean ± sd over {several(len(result.seeds), 'seed')}"


def known_splits(result: Result, kind: str) -> list[SplitRecord]:
    """Splits of a kind in which every class is known."""
    return [s for s in result.splits if s.split == kind and not s.unknown]


def left_out_note(splits: Sequence[SplitRecord]) -> list[str]:
    """Classes that are in no part of splits of one kind, in one sentence; nothing where there are none."""
    names = dict.fromkeys(name for s in splits for name in s.left_out)
    about = f"{splits[0].split} split, classes that cannot be shared (with at least one seed)" if names else ""
    return [f"{about}: {some_of(list(names))}"] if names else []


def dropped_note(splits: Sequence[SplitRecord]) -> list[str]:
    """Samples that are in no part of splits of one kind, by reason, in one sentence; a range is that of the splits."""
    reasons = dict.fromkeys(reason for s in splits for reason in s.dropped)
    counts = {reason: [s.dropped.get(reason, 0) for s in splits] for reason in reasons}
    parts = [
        f"{min(n):,}{f' to {max(n):,}' * (max(n) > min(n))} {reason}" for reason, n in counts.items() if max(n) > 0
    ]
    return [f"{splits[0].split} split, samples in no part: {', '.join(parts)}"] if parts else []


def open_splits(result: Result, kind: str) -> list[SplitRecord]:
    """Splits of a kind in which some classes are unknown."""
    return [s for s in result.splits if s.split == kind and s.unknown]


class OfAmount(OfSplit, Protocol):
    """Anything that was measured on a kind of split and an amount of labels."""

    @property
    def shots(self) -> int | None: ...

    @property
    def labels(self) -> float | None: ...


Measured = TypeVar("Measured", bound=OfAmount)


def at_most_labels(result: Result, found: Iterable[Measured]) -> Measured:
    """Of measurements on one kind of split the one with the most training samples.

    Raises:
        ValueError: there is none.
    """
    trained: dict[tuple[str, int | None, float | None], int] = {}
    for s in result.splits:
        key = s.split, s.shots, s.labels
        trained[key] = max(s.train, trained.get(key, 0))
    return max(
        found, key=lambda one: (trained.get((one.split, one.shots, one.labels), 0), one.shots or 0, one.labels or 0)
    )


def leakage(splits: Sequence[SplitRecord]) -> str:
    """Percentages of test pixels that lie inside / touch a training patch, by amounts of labels; empty for photographs.

    A range is that of the seeds.
    """
    ranges: dict[str, str] = {}
    for amount in dict.fromkeys(amount_name(s.shots, s.labels) for s in splits):
        leaks = [s.leakage for s in splits if s.leakage and amount_name(s.shots, s.labels) == amount]
        if leaks:
            inside, touching = _percent([leak.inside for leak in leaks]), _percent([leak.touching for leak in leaks])
            ranges[amount] = f"{inside} / {touching} %"
    differ = len(set(ranges.values())) > 1
    texts = (f"{text} ({amount})" if differ else text for amount, text in ranges.items())
    return ", ".join(dict.fromkeys(texts))


def leakage_note(splits: Sequence[SplitRecord]) -> list[str]:
    """:func:`leakage` in a sentence, and a second one for given parts that adjoin; nothing for photographs."""
    found = leakage(splits)
    return [f"test pixels inside / touching a training patch: {found}", *adjoining_note(splits)] if found else []


def adjoining_note(splits: Sequence[SplitRecord]) -> list[str]:
    """A sentence where the parts of a given split of a scene, which look apart, share what they see."""
    leaks = [s.leakage for s in splits if s.leakage and s.split not in (*DRAWN, "block")]
    worst = max(leaks, key=lambda leak: leak.inside, default=None)
    if worst is None or worst.inside == 0:
        return []
    side = f" of {worst.patch_size} pixels" if worst.patch_size else ""
    return [
        f"careful: the parts of the {splits[0].split} split adjoin, and {100 * worst.inside:.1f} % of its test pixels "
        f"lie inside training patches{side}, so that this is no accuracy on unseen ground: see the block split"
    ]


def unknown_note(splits: Iterable[SplitRecord]) -> str:
    """The unknown classes by name, or how many of which, where they differ from seed to seed."""
    sets = list(dict.fromkeys(s.unknown for s in splits if s.unknown))
    names = listed(list(dict.fromkeys(name for drawn in sets for name in drawn)))
    drawn_anew = f", {len(sets[0])} drawn for each seed" if len(sets) > 1 else ""
    return f"unknown classes{drawn_anew}: {names}"


def _percent(shares: Sequence[float]) -> str:
    low, high = round(100 * min(shares)), round(100 * max(shares))
    return f"{low}" if low == high else f"{low} to {high}"


def skipped_name(skip: Skipped) -> str:
    """What was left out: a probe, or something in words."""
    return skip.what or (representation_name if skip.probe == SUPERVISED else probe_name)(skip.probe or "")
