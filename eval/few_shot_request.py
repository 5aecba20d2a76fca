"""What few-shot evaluation is asked for, checked against the data before anything expensive starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from eval.episodes import QUERIES, WAYS
from eval.labelled import LabelledData
from eval.linear_probe import PROBES
from eval.prediction import FitPredict
from eval.prototypes import PROTOTYPES
from simclr.errors import InputError

SEEDS = tuple(range(10))
HEADLINE = "ridge"
ALL_PROBES: dict[str, FitPredict] = {**PROTOTYPES, **PROBES}
DEFAULT_PROBES = (*PROTOTYPES, HEADLINE)


class EpisodeShots(NamedTuple):
    """Episodes that can be drawn: their ways and queries, the shots, and why others are left out."""

    ways: int
    queries: int
    shots: tuple[int, ...]
    skipped: tuple[dict[str, str], ...]


def check_unknown(data: LabelledData, unknown: Sequence[int], unknown_classes: int) -> None:
    """Refuses unknown classes that are both named and drawn, or do not occur.

    Args:
        data: the samples.
        unknown: labels of the unknown classes.
        unknown_classes: how many are drawn instead.

    Raises:
        InputError: as said.
    """
    if unknown and unknown_classes:
        raise InputError("name the unknown classes, or say how many to draw, not both.")
    absent = sorted(set(unknown) - set(data.labels[data.known()].tolist()))
    if absent:
        name = data.class_names[absent[0]] if 0 <= absent[0] < len(data.class_names) else absent[0]
        raise InputError(f"the unknown class {name} has no sample in {data.source.name}.")


def episode_shots(labels: Tensor, ways: int | None, shots: Sequence[int], queries: int | None) -> EpisodeShots:
    """The episodes that enough classes have enough samples for.

    Args:
        labels: of the samples that episodes are drawn from, (n,) int64, -1 = not to be drawn.
        ways: None is ``WAYS``, or all classes where there are fewer.
        shots: what is asked for.
        queries: None is ``QUERIES``; then shots for which there are too few samples are left out and said.

    Raises:
        InputError: more ways than classes, or queries that leave no episode at all.
    """
    counts = labels[labels >= 0].unique(return_counts=True)[1].sort(descending=True).values
    if len(counts) < 2 or (ways is not None and len(counts) < ways):
        raise InputError(
            f"ways is {ways or WAYS}, but there are {len(counts)} classes: "
            + (f"give {len(counts)} ways or fewer." if len(counts) > 1 else "leave the episodes out (0 of them).")
        )
    ways = min(WAYS, len(counts)) if ways is None else ways
    asked = QUERIES if queries is None else queries
    able = {k: int((counts >= k + asked).sum()) for k in shots}
    kept = tuple(k for k in shots if able[k] >= ways)
    most = int(counts[ways - 1]) - min(shots, default=0)
    if shots and not kept and queries is not None:
        less = f"give {most} queries or fewer" if most > 0 else "give fewer ways"
        raise InputError(
            f"queries is {queries}, but {able[min(shots)]} of {len(counts)} classes have {min(shots)} + {queries} "
            f"samples for {ways}-way episodes: {less}."
        )
    skipped = tuple(
        {
            "what": f"{ways}-way {k}-shot episodes",
            "why": f"{n} of {len(counts)} classes have {k} + {asked} samples: give fewer queries",
        }
        for k, n in able.items()
        if n < ways
    )
    return EpisodeShots(ways, asked, kept, skipped)
