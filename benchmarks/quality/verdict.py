"""Is a run's own verdict, which it reaches without labels, the one that labels give?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from scipy.stats import spearmanr


class Judged(NamedTuple):
    """One run.

    Attributes:
        set, contender: which one.
        verdict: its own, positive = better than the untrained baselines; None where it says nothing.
        difference: with labels, in points: the mean over its rows of ours - theirs.
    """

    set: str
    contender: str
    verdict: float | None
    difference: float


class Agreement(NamedTuple):
    """How well verdicts fit.

    Attributes:
        runs: that say something.
        silent: runs that do not.
        same_sign: share of the former in which both are positive, or both are not; None without any.
        correlation: Spearman's, over them; None with fewer than three, or where one of the two never changes.
    """

    runs: int
    silent: int
    same_sign: float | None
    correlation: float | None


def agreement(runs: Sequence[Judged]) -> Agreement:
    """Signs and ranks of verdicts against those of labelled differences."""
    pairs = [(run.verdict, run.difference) for run in runs if run.verdict is not None]
    silent = len(runs) - len(pairs)
    if not pairs:
        return Agreement(0, silent, None, None)
    same = sum((verdict > 0) == (difference > 0) for verdict, difference in pairs) / len(pairs)
    verdicts, differences = zip(*pairs)
    ranked = len(pairs) > 2 and len(set(verdicts)) > 1 and len(set(differences)) > 1
    return Agreement(len(pairs), silent, same, float(spearmanr(verdicts, differences).statistic) if ranked else None)
