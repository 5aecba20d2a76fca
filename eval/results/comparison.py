"""What a comparison of results found, as typed records: the fields are the keys of what ``simclr compare`` writes."""

from __future__ import annotations

from pydantic import Field

from simclr.eval.results.record import Record
from simclr.eval.results.subject_record import EncoderRecord, SourceRecord


class ComparedRow(Record):
    """One measurement of two encoders on the very same splits.

    Attributes:
        first, other: names of the two results.
        probe, split, shots, labels, metric: what was measured, as in :class:`simclr.eval.results.record.Row`.
        objective: under which a copy of the encoder was trained; None where none was.
        threshold: of decisions about unknown classes; None for everything else.
        first_mean, other_mean: means over the splits that both have, as fractions.
        mean, sd, per_seed: of the differences, other minus first.
        ci95: of the mean difference; None where there is none.
        p: that a difference as large is chance, not corrected for the number of tests; None without a test.
        p_floor: the least that p could be; None where no such bound is known.
        test: which test and which interval, in words.
        only_first_right, only_other_right: test samples that only one of them recognised, of a single split.
    """

    first: str
    other: str
    probe: str
    split: str
    shots: int | None
    labels: float | None
    metric: str
    first_mean: float
    other_mean: float
    mean: float
    sd: float | None
    per_seed: tuple[float, ...]
    ci95: tuple[float, float] | None
    p: float | None
    p_floor: float | None
    test: str | None
    only_first_right: int | None = None
    only_other_right: int | None = None
    objective: str | None = None
    threshold: str | None = None


class _Named(Record):
    name: str
    transductive: bool | None = None
    protocol: str | None = None


class ComparedEncoder(EncoderRecord, _Named):
    """An encoder under the name of its result, and how it was judged; the name comes first in the file."""


class Comparison(Record):
    """Every result against the first.

    Attributes:
        protocol: version of what is written.
        rows: one for each other result and measurement that both have.
        headline: the probe that summaries are of.
        scores: by objective, the score that summaries are of.
        encoders: in the order of the results.
        source: the data, which is the same for all.
        notes: on whatever is not alike; one sentence each.
    """

    protocol: str
    rows: tuple[ComparedRow, ...]
    headline: str | None = None
    scores: dict[str, str] = Field(default_factory=dict)
    encoders: tuple[ComparedEncoder, ...]
    source: SourceRecord
    notes: tuple[str, ...] = ()
