"""What of a result is about the same: kinds of split, the main metric, and what holds for a whole kind of split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from eval.results.record import Result, Row, Skipped, SplitRecord
from eval.results.words import OVERALL, amount_name, probe_name, several

# An encoder, or a matrix of features from elsewhere.
JUDGED = ("pretrained", "features")
SUPERVISED = "supervised"


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


def over_seeds(result: Result) -> str:
    """What most tables hold."""
    return f"%, mean ± sd over {several(len(result.seeds), 'seed')}"


def known_splits(result: Result, kind: str) -> list[SplitRecord]:
    """Splits of a kind in which every class is known."""
    return [s for s in result.splits if s.split == kind and not s.unknown]


def left_out_note(splits: Sequence[SplitRecord]) -> list[str]:
    """Classes that are in no part of splits of one kind, in one sentence; nothing where there are none."""
    names = dict.fromkeys(name for s in splits for name in s.left_out)
    about = f"{splits[0].split} split, classes that cannot be shared (with at least one seed)" if names else ""
    return [f"{about}: {', '.join(names)}"] if names else []


def leakage_note(splits: Sequence[SplitRecord]) -> list[str]:
    """How many test pixels lie inside and touch a training patch, by amounts of labels; nothing without a scene."""
    ranges: dict[str, str] = {}
    for amount in dict.fromkeys(amount_name(s.shots, s.labels) for s in splits):
        leaks = [s.leakage for s in splits if s.leakage and amount_name(s.shots, s.labels) == amount]
        if leaks:
            inside, touching = _percent([leak.inside for leak in leaks]), _percent([leak.touching for leak in leaks])
            ranges[amount] = f"{inside} / {touching} %"
    if not ranges:
        return []
    differ = len(set(ranges.values())) > 1
    texts = (f"{text} ({amount})" if differ else text for amount, text in ranges.items())
    return [f"test pixels inside / touching a training patch: {', '.join(dict.fromkeys(texts))}"]


def _percent(shares: Sequence[float]) -> str:
    low, high = round(100 * min(shares)), round(100 * max(shares))
    return f"{low}" if low == high else f"{low} to {high}"


def skipped_name(skip: Skipped) -> str:
    """What was left out: a probe, or something in words."""
    return skip.what or probe_name(skip.probe or "")
