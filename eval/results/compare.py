"""Two encoders on the very same splits: how far apart, and could it be chance?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import NamedTuple

from typing_extensions import TypedDict

from simclr.errors import InputError
from simclr.eval.metrics.statistics import (
    ENUMERATED,
    FEWEST_FOR_INTERVAL,
    RESAMPLES,
    bootstrap_interval,
    interval,
    mcnemar_p,
    mean_sd,
    sign_flip_floor,
    sign_flip_p,
)
from simclr.eval.results.comparison import ComparedEncoder, ComparedRow, Comparison
from simclr.eval.results.objective_record import ObjectiveRow
from simclr.eval.results.outcomes import unpack
from simclr.eval.results.record import Result, Row, SplitRecord
from simclr.eval.results.subject_record import SourceRecord
from simclr.eval.results.words import JUDGED, OVERALL

PROTOCOL = "simclr-compare/1"


class Key(NamedTuple):
    """What a row measures; rows of two results with the same key can be compared."""

    probe: str
    split: str
    shots: int | None
    labels: float | None
    metric: str
    objective: str | None = None
    threshold: str | None = None


class Pair(NamedTuple):
    """A split that two results share: where it stands in both lists, and both values."""

    i: int
    j: int
    ours: float
    theirs: float


class Tested(NamedTuple):
    """What a test says of a mean difference: its interval, p, the least that p could be, and which test it was."""

    ci95: Sequence[float] | None
    p: float | None
    p_floor: float | None
    test: str | None


class _Right(TypedDict, total=False):
    only_first_right: int
    only_other_right: int


def compare(results: Sequence[Result], names: Sequence[str] | None = None) -> Comparison:
    """Every result against the first, row by row, on the splits that both have.

    Splits are the same if the hashes of their training and test samples are. Several splits: the differences' mean with
    a 95 % Student t interval, and a sign-flip permutation test. A single split: the exact McNemar test over its test
    samples with a bootstrap interval, for the overall accuracy of the headline probe; other differences have neither.

    Args:
        results: two or more, as of ``simclr linear-eval``.
        names: one for each, for people; None is their numbers.

    Returns:
        What ``simclr compare --output`` writes.

    Raises:
        InputError: fewer than two results, other data, or not one split in common.
    """
    results = list(results) if isinstance(results, Iterable) else []
    if not all(isinstance(result, Result) for result in results):
        raise InputError("compare takes results as of read_result: make one of a dict with as_result")
    names = [str(i + 1) for i in range(len(results))] if names is None else list(names)
    if len(names) != len(results):
        raise InputError(f"there are {len(names)} names for {len(results)} results: give one for each, or none")
    if len(results) < 2:
        raise InputError("one result alone cannot be compared: give two or more")
    notes: list[str] = []
    rows = [
        row
        for result, name in zip(results[1:], names[1:], strict=True)
        for row in _against(results[0], result, (names[0], name), notes)
    ]
    return Comparison(
        protocol=PROTOCOL,
        rows=tuple(rows),
        headline=results[0].headline or None,
        scores={} if results[0].objectives is None else results[0].objectives.scores,
        encoders=tuple(_encoder(result, name) for name, result in zip(names, results, strict=True)),
        source=SourceRecord(name=results[0].source.name),
        notes=tuple(dict.fromkeys(notes)),
    )


def _encoder(result: Result, name: str) -> ComparedEncoder:
    facts = result.encoder.model_dump(exclude_unset=True)
    return ComparedEncoder(name=name, transductive=result.transductive, protocol=result.protocol or None, **facts)


def _against(first: Result, other: Result, names: tuple[str, str], notes: list[str]) -> list[ComparedRow]:
    both = " and ".join(names)
    mine, theirs = first.source, other.source
    for key, a, b in (
        ("samples", mine.samples, theirs.samples),
        ("test_part", mine.test_part, theirs.test_part),
        ("classes", mine.classes, theirs.classes),
    ):
        if a != b:
            raise InputError(f"{both} are results on other data ({key} differ): compare encoders on the same data")
    if first.encoder.sha256_before is not None and first.encoder.sha256_before == other.encoder.sha256_before:
        notes.append(f"{both} are results of the same encoder")
    if first.transductive != other.transductive:
        notes.append(f"{both} differ in whether pretraining saw the test samples (transductive)")
    others = {_key(row): row for row in _judged(other)}
    rows, common = [], 0
    for row in _judged(first):
        match = others.get(_key(row))
        if match is None:
            continue
        pairs = _pairs(first, other, row, match)
        common += len(pairs)
        most = max(len(row.per_seed), len(match.per_seed))
        if len(pairs) < most:
            amount = f", {row.shots} shots" if row.shots else f", {row.labels:.3g} of the labels" if row.labels else ""
            notes.append(
                f"{both}, {row.split} split{amount}: {len(pairs)} of {most} splits are the same, and only these are "
                f"compared"
            )
        if not pairs:
            continue
        if first.probes.get(row.probe) != other.probes.get(row.probe):
            notes.append(f"{both}: the {row.probe} probe was set otherwise, and is left out")
            continue
        counts = _discordant(first, other, row, match, pairs[0]) if len(pairs) == 1 else None
        rows.append(_row(names, _key(row), pairs, counts))
    if not common:
        raise InputError(f"{both} have no split in common: evaluate both with the same --split, --shots and --seeds")
    if not rows:
        raise InputError(f"{both} have no probe with the same settings: evaluate both with the same version")
    return rows


def _judged(result: Result) -> list[Row]:
    """What was measured of what is judged: known classes, and unknown ones, or objectives that trained it."""
    more = result.open_set if result.objectives is None else result.objectives.rows
    return [row for row in (*result.rows, *more) if row.representation in JUDGED]


def _key(row: Row) -> Key:
    objective = row.objective if isinstance(row, ObjectiveRow) else None
    return Key(row.probe, row.split, row.shots, row.labels, row.metric, objective, row.threshold)


def _splits(result: Result, row: Row) -> list[SplitRecord]:
    """The splits of a row's values, one for each; objectives are measured with unknown classes where there are any."""
    kind = row.split, row.shots, row.labels
    with_unknown = isinstance(row, ObjectiveRow) or any(row is one for one in result.open_set)
    opened = with_unknown and any(s.unknown for s in result.splits)
    of_kind = [s for s in result.splits if (s.split, s.shots, s.labels) == kind]
    found = [s for s in of_kind if bool(s.unknown) == opened] or of_kind
    if not found and not row.shots and not row.labels:
        # Nothing was learned from labels: it was measured once a seed, on the test part of the seed's first split.
        first = {s.seed: s for s in reversed(result.splits) if s.split == row.split}
        found = list(reversed(first.values()))
    if len(found) < len(row.per_seed):
        raise InputError(
            f"a row of the result has {len(row.per_seed)} values for {len(found)} splits: it is damaged; evaluate again"
        )
    if not row.seeds:  # an older file
        return found[: len(row.per_seed)]  # fine-tuning runs on the first ones alone
    by_seed = {s.seed: s for s in found}
    if len(row.seeds) != len(row.per_seed) or not by_seed.keys() >= set(row.seeds):
        raise InputError("a row of the result has values for seeds that no split has: it is damaged; evaluate again")
    return [by_seed[seed] for seed in row.seeds]


def _pairs(first: Result, other: Result, row: Row, match: Row) -> list[Pair]:
    """The splits of both rows that are the same, and have a value in both."""
    mine, theirs = _hashes(_splits(first, row)), _hashes(_splits(other, match))
    places = [(i, theirs[digest]) for digest, i in mine.items() if digest in theirs]
    values = [(i, j, row.per_seed[i], match.per_seed[j]) for i, j in places]
    return [Pair(i, j, a, b) for i, j, a, b in values if a is not None and b is not None]


def _hashes(splits: Sequence[SplitRecord]) -> dict[tuple[str | None, ...], int]:
    """Where each split stands; one that two seeds have drawn alike counts once for each."""
    found: dict[tuple[str | None, ...], int] = {}
    times: Counter[tuple[str | None, ...]] = Counter()
    for i, s in enumerate(splits):
        if s.sha256_train is None or s.sha256_test is None:
            raise InputError("a split of the result has no hash: it cannot be told from others; evaluate again")
        digest = s.sha256_train, s.sha256_test, s.sha256_validation
        times[digest] += 1
        found[(*digest, str(times[digest]))] = i
    return found


def _row(names: tuple[str, str], key: Key, pairs: list[Pair], counts: tuple[int, int, int] | None) -> ComparedRow:
    """A row with its test: over the splits, or, of a single split, over its samples where ``counts`` are there."""
    values = [pair.theirs - pair.ours for pair in pairs]
    tested = _over_splits(values) if len(pairs) > 1 else _over_samples(counts)
    right: _Right = {} if counts is None else {"only_first_right": counts[0], "only_other_right": counts[1]}
    return ComparedRow(
        first=names[0],
        other=names[1],
        **key._asdict(),
        first_mean=fmean(pair.ours for pair in pairs),
        other_mean=fmean(pair.theirs for pair in pairs),
        **mean_sd(values)._asdict(),
        per_seed=tuple(values),
        **tested._asdict(),
        **right,
    )


def _over_splits(values: Sequence[float]) -> Tested:
    n = len(values)
    how = f"all 2^{n} signs" if n <= ENUMERATED else f"{RESAMPLES} random signs"
    then = "Student t interval" if n >= FEWEST_FOR_INTERVAL else "too few for an interval"
    test = f"sign-flip permutation over {n} splits, {how}; {then}"
    return Tested(interval(values), sign_flip_p(values), sign_flip_floor(n), test)


def _over_samples(counts: tuple[int, int, int] | None) -> Tested:
    if counts is None:
        return Tested(None, None, None, None)
    only_first, only_other, n = counts
    test = f"exact McNemar over {n} test samples; bootstrap interval"
    return Tested(bootstrap_interval(*counts), mcnemar_p(only_first, only_other), None, test)


def _discordant(first: Result, other: Result, row: Row, match: Row, pair: Pair) -> tuple[int, int, int] | None:
    """Samples that only the first and that only the other recognised, and all; None if a result did not keep them."""
    if row.metric not in OVERALL:
        return None
    n = _splits(first, row)[pair.i].test
    right = []
    for result, r, place in ((first, row, pair.i), (other, match, pair.j)):
        kind = r.representation, r.probe, r.split, r.shots, r.labels
        kept = [e for e in result.outcomes if (e.representation, e.probe, e.split, e.shots, e.labels) == kind]
        if not kept:
            return None
        if place >= len(kept[0].correct):
            raise InputError(
                f"an outcome of the result has {len(kept[0].correct)} splits, fewer than its rows: it is damaged; "
                "evaluate again"
            )
        right.append(unpack(kept[0].correct[place], n))
    a, b = right
    return int((a & ~b).sum()), int((b & ~a).sum()), n
