"""What a representation says about the classes before anything is fitted to labels: its neighbours and its clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, cast

from pydantic import JsonValue
from torch import Tensor

from simclr.augment.addressed import permutation
from simclr.eval.metrics.clustering import STARTS
from simclr.eval.metrics.registry import METRICS
from simclr.eval.splits.split import Split
from simclr.eval.streams import Stream
from simclr.eval.subject.rows import Matrix
from simclr.eval.work.work import FACTS, Work

STRUCTURED = 1_000
STRUCTURE = "structure"
"""The kind of work, in samples by classes by features."""
POLICY: dict[str, dict[str, str | int]] = {
    "retrieval": {
        "features": "as they are, cosine",
        "samples": f"up to {STRUCTURED} test samples by the seed, all of them",
    },
    "k-means": {"features": "as they are", "starts": STARTS, "samples": "those of retrieval"},
}


class Structure(NamedTuple):
    """One measurement: by what, on which split's test samples, what came out, of how many samples it is, its seed."""

    probe: str
    split: Split
    metrics: dict[str, float]
    selected: dict[str, int]
    seed: int | None = None


def structure(
    features: Matrix, labels: Tensor, splits: Sequence[Split], seed: int | None = None, work: Work | None = None
) -> list[Structure]:
    """Every metric that needs features (R@1, MAP@R, NMI of k-means), on test samples of the first split of each seed.

    Of a test part with more than ``STRUCTURED`` samples so many are drawn by the split's seed: they are queries and
    candidates alike. Nothing is said where they hold a single class, or no class twice.

    Args:
        features: (N, dim), any float type.
        labels: classes, (N,) int64, -1 = unlabelled.
        splits: whose ids are rows of ``features``; those of the first one's kind count.
        seed: of the features, where they are of random weights; None leaves each measurement the seed of its split.
        work: keeps measurements, in the scope of the features and labels.

    Returns:
        One measurement for each seed and name of ``Metric.by``, of splits without ``shots`` and ``share``: no label was
        learned from.
    """
    work, found = work or Work(), []
    measured = _measured()
    for split in _first_of_each_seed(splits):
        drawn_by, rows = split.seed or 0, _drawn(split)
        units = _units(labels[rows], features.shape[1])
        if units == 0:
            continue
        h, y = features[rows], labels[rows]
        whole = replace(split, shots=None, share=None)
        drawn = {"samples": len(rows), "of": len(split.test)}
        for by, names in measured.items():
            measure = partial(_measure, names, h, y, drawn_by)
            kept = work.part(FACTS, measure, STRUCTURE, units, names=list(names), rows=rows, drawn_by=drawn_by)
            values = cast(dict[str, float], kept)
            found.append(Structure(by, whole, values, drawn, split.seed if seed is None else seed))
    return found


def structure_units(labels: Tensor, splits: Sequence[Split], width: int) -> float:
    """How much work :func:`structure` is with so many features, in units of ``STRUCTURE``."""
    return len(_measured()) * sum(_units(labels[_drawn(split)], width) for split in _first_of_each_seed(splits))


def _units(labels: Tensor, width: int) -> float:
    """Of one measurement; 0 where samples of these classes have no structure."""
    counts = labels.unique(return_counts=True)[1]
    if len(counts) < 2 or int(counts.max()) < 2:
        return 0.0
    return len(labels) * (len(counts) + 10.0) * width


def _drawn(split: Split) -> Tensor:
    """Test samples that are looked at, ascending."""
    order = permutation(split.seed or 0, Stream.STRUCTURE, len(split.test), "cpu")
    return split.test[order[:STRUCTURED]].sort().values


def _measured() -> dict[str, list[str]]:
    """Metrics that need features, by what is measured for them."""
    found: dict[str, list[str]] = {}
    for name, metric in METRICS.items():
        if metric.needs == "features":
            found.setdefault(metric.by or name, []).append(name)
    return found


def _first_of_each_seed(splits: Sequence[Split]) -> list[Split]:
    first = {split.seed: split for split in reversed(splits) if split.name == splits[0].name}
    if len(first) > 1:  # all labels, once, beside splits that are drawn: the test part is the same
        first.pop(None, None)
    return list(reversed(first.values()))


def _measure(names: Sequence[str], h: Tensor, y: Tensor, drawn_by: int) -> JsonValue:
    return {name: METRICS[name].function(h, y, drawn_by) for name in names}
