"""Does a choice hold on the data that had no say in it? The best contender on all sets but one, judged on that one."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import NamedTuple

Scores = Mapping[str, Mapping[str, float]]
"""Contender -> set -> points, larger is better."""


class Choice(NamedTuple):
    """What happens when a family of sets has no say.

    Attributes:
        family: the sets that are left out: a scene and its variants have one origin, so they go together.
        without: the contender that is best on average over all other families.
        best: the one that is best over all of them, this one included.
        lost: mean over the family's sets of the points of ``best`` minus those of ``without``.
    """

    family: str
    without: str
    best: str
    lost: float


def leave_one_out(scores: Scores, families: Mapping[str, str]) -> list[Choice]:
    """The choice without each family in turn, against the choice with it.

    Families count alike, however many sets they have.

    Args:
        scores: of two contenders or more; one that lacks a set which another has takes no part.
        families: set -> family.

    Returns:
        One choice for each family; nothing with fewer than two contenders or families.
    """
    sets = sorted({name for of in scores.values() for name in of}, key=list(families).index)
    complete = {contender: of for contender, of in scores.items() if set(of) == set(sets)}
    by_family: dict[str, list[str]] = {}
    for name in sets:
        by_family.setdefault(families[name], []).append(name)
    if len(complete) < 2 or len(by_family) < 2:
        return []
    means = {c: {f: fmean(of[name] for name in names) for f, names in by_family.items()} for c, of in complete.items()}

    def best_over(some: list[str]) -> str:
        return max(means, key=lambda contender: fmean(means[contender][family] for family in some))

    best = best_over(list(by_family))
    found = []
    for family in by_family:
        without = best_over([other for other in by_family if other != family])
        found.append(Choice(family, without, best, means[best][family] - means[without][family]))
    return found
