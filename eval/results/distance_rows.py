"""One row of a distance result: two sets of features against each other, and halves of the first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from simclr.augment.addressed import permutation
from simclr.eval.metrics.set_measures import SetMeasures, set_measures
from simclr.eval.metrics.two_sets import two_sample_test
from simclr.eval.results.distance_record import Compared, Measures, Mmd, SetDistance
from simclr.eval.streams import Stream
from simclr.eval.subject.set_features import FeaturePair


class Amounts(NamedTuple):
    """How much is measured: dimensions of subspaces, permutations of a test, splits of A in two; and the seed."""

    angles: int
    permutations: int
    splits: int
    seed: int


def compared(pair: FeaturePair, amounts: Amounts) -> SetDistance:
    """A against B, and halves of A against each other.

    The test is of all samples. The other measures shrink with the number of samples, so they are of halves of A and as
    many samples of B, and of both halves of A: each over the same random splits. Of a set and itself they are of one
    half and itself: 0.

    Args:
        pair: a (n, dim) with n of 8 or more, b (m, dim) with m of 4 or more.
        amounts: see :class:`Amounts`.

    Raises:
        InputError: as of `simclr.eval.metrics.two_sets.check_two_sets`.
    """
    a, b = pair.a, pair.b
    size, same = min(len(a) // 2, len(b)), torch.equal(a, b)
    between, null = [], []
    for split in range(amounts.splits):
        of_a = permutation(amounts.seed, Stream.HALVES + 2 * split, len(a))
        of_b = of_a if same else permutation(amounts.seed, Stream.HALVES + 2 * split + 1, len(b))
        between.append((a[of_a[:size]], b[of_b[:size]]))
        null.append((a[of_a[:size]], a[of_a[size : 2 * size]]))
    found = set_measures([*between, *null], amounts.angles)
    return SetDistance(
        representation=pair.name,
        seed=pair.seed,
        features=a.shape[1],
        between=_compared(a, b, found[: amounts.splits], amounts),
        null=_compared(*null[0], found[amounts.splits :], amounts),
    )


def _compared(a: Tensor, b: Tensor, found: Sequence[SetMeasures], amounts: Amounts) -> Compared:
    test = two_sample_test(a, b, permutations=amounts.permutations, seed=amounts.seed)
    record = Mmd(mmd=test.mmd, p=test.p, bandwidth=test.bandwidth, samples=(len(a), len(b)))
    measures = [_record(one) for one in found]
    sd = _over(measures, lambda values: float(np.std(values, ddof=1))) if len(measures) > 1 else None
    return Compared(
        test=record, mean=_over(measures, lambda values: float(np.mean(values))), sd=sd, per_split=tuple(measures)
    )


def _record(found: SetMeasures) -> Measures:
    angles = [math.degrees(angle) for angle in found.angles.tolist()]
    return Measures(
        angles=tuple(angles),
        angle_mean=sum(angles) / len(angles) if angles else None,
        grassmann=found.grassmann,
        frechet=found.frechet,
        frechet_share=found.frechet_share,
        information_mean=float(found.information.mean()),
        information_most=float(found.information.max()),
    )


def _over(found: Sequence[Measures], statistic: Callable[[list[float]], float]) -> Measures:
    """A statistic over the splits of each number."""

    def of(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return statistic(known) if known else None

    return Measures(
        angles=tuple(statistic(list(column)) for column in zip(*(one.angles for one in found))),
        angle_mean=of([one.angle_mean for one in found]),
        grassmann=of([one.grassmann for one in found]),
        frechet=statistic([one.frechet for one in found]),
        frechet_share=statistic([one.frechet_share for one in found]),
        information_mean=statistic([one.information_mean for one in found]),
        information_most=statistic([one.information_most for one in found]),
    )
