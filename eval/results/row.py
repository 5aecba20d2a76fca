"""One measurement as a record, and what every record is made of."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, JsonValue
from typing_extensions import TypedDict

from simclr.eval.metrics.statistics import interval, mean_sd

Facts = dict[str, JsonValue]
"""Free-form JSON: what a probe chose, or a recipe's section. Nothing looks into it but people and their scripts."""


class Record(BaseModel):
    """A frozen record; keys that this version does not know are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Row(Record):
    """One measurement: mean and standard deviation over seeds of one metric.

    Attributes:
        representation: what was judged: ``pretrained``, ``features``, or a baseline.
        probe: what learned from the labels, or what looked at the features.
        threshold: of decisions about unknown classes; None for everything else.
        shots: labels a class that were asked for, None where there is no such number.
        labels: share of each class's labels that was asked for, None where there is none.
        split: kind of split.
        metric: name in ``simclr.eval.metrics.registry`` or ``simclr.eval.open_set.metrics``.
        mean, sd: fractions; sd has n - 1 in its denominator, and is None for a single value.
        per_seed: the value of each seed, None where there is none.
        seeds: those, in the same order; None for a measurement in which nothing is drawn. Older files have none.
        selected: what was chosen on the training samples of each seed.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    representation: str
    probe: str
    threshold: str | None = None
    shots: int | None
    labels: float | None = None
    split: str
    metric: str
    mean: float | None
    sd: float | None
    per_seed: tuple[float | None, ...] = ()
    seeds: tuple[int | None, ...] = ()
    selected: tuple[Facts, ...] = ()


class PairedDifference(Record):
    """A measurement minus another one, seed by seed on the same splits.

    Attributes:
        probe, shots, labels, split, metric: of what is subtracted from, as in :class:`Row`.
        mean, sd, ci95: of the differences; ``ci95`` is None for too few of them.
        per_seed: each difference.
    """

    probe: str
    shots: int | None
    labels: float | None = None
    split: str
    metric: str
    mean: float
    sd: float | None = None
    ci95: tuple[float, float] | None
    per_seed: tuple[float, ...]


class Differences(TypedDict):
    """The fields of :class:`PairedDifference`."""

    probe: str
    shots: int | None
    labels: float | None
    split: str
    metric: str
    mean: float
    sd: float | None
    ci95: tuple[float, float] | None
    per_seed: tuple[float, ...]


def difference(row: Row, values: Sequence[float]) -> Differences:
    """What is recorded of a row's differences to another, one or more: mean, spread and a 95 % Student t interval."""
    mean, sd = mean_sd(values)
    return Differences(
        probe=row.probe,
        shots=row.shots,
        labels=row.labels,
        split=row.split,
        metric=row.metric,
        mean=mean,
        sd=sd,
        ci95=interval(values),
        per_seed=tuple(values),
    )


def paired(ours: Row, theirs: Row) -> list[float]:
    """Ours minus theirs, seed by seed; empty where no seed has both. What was not drawn stands against every seed."""
    other = dict(zip(theirs.seeds, theirs.per_seed))
    pairs = [(a, other.get(seed, other.get(None))) for seed, a in zip(ours.seeds, ours.per_seed)]
    return [a - b for a, b in pairs if a is not None and b is not None]
