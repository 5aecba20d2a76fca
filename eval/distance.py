"""How far two sets of samples lie apart: the functions under ``simclr distance``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from typing_extensions import TypedDict, Unpack

from simclr.augment.checks import integer
from simclr.data.content import SampleHashes, hash_rows
from simclr.data.scenes.scene import SceneSource
from simclr.errors import InputError
from simclr.eval.metrics.mutual_information import constant
from simclr.eval.metrics.two_sets import PERMUTATIONS
from simclr.eval.results.distance_record import DistanceResult, SetDistance, SetRecord
from simclr.eval.results.distance_rows import Amounts, compared
from simclr.eval.results.record import EncoderRecord
from simclr.eval.results.words import several
from simclr.eval.subject.features import fingerprint
from simclr.eval.subject.representations import Progress
from simclr.eval.subject.set_features import FeaturePair, SetView, feature_pairs, features_of, first_components
from simclr.eval.subject.sets import SeenPair, drawn
from simclr.run.metadata import versions

PROTOCOL = "simclr-distance/1"
FEWEST = 4
"""Samples of a set that mutual information needs; of A twice as many, as it is split in two."""
SCENE = (
    "Neighbouring pixels are alike, and their patches overlap, but p takes samples for independent: of scenes it is "
    "too small. Read the sizes, beside those of the halves of A."
)


@dataclass(frozen=True, kw_only=True)
class DistanceRequest:
    """What is asked for.

    Attributes:
        samples: drawn of each set, at most.
        angles: dimensions of the subspaces; fewer where the features span fewer.
        permutations: of each test.
        splits: how often A is split in two at random.
        seed: of whatever is drawn.

    Raises:
        InputError: a number that is none, or out of range.
    """

    samples: int = 1_000
    angles: int = 10
    permutations: int = PERMUTATIONS
    splits: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        try:
            integer("samples", self.samples, 2 * FEWEST, 20_000)
            integer("angles", self.angles, 1)
            integer("permutations", self.permutations, 1, 1_000_000)
            integer("splits", self.splits, 1, 1_000)
            integer("seed", self.seed, 0)
        except ValueError as error:
            raise InputError(str(error)) from None


class Asked(TypedDict, total=False):
    """What can be asked for: the fields of :class:`DistanceRequest`."""

    samples: int
    angles: int
    permutations: int
    splits: int
    seed: int


class Shared(NamedTuple):
    """Samples of B that are samples of A, None where that is not known; and whether the sets are the same."""

    of_b: int | None
    twins: bool


class SetDistances(NamedTuple):
    """The result, and what draws its picture."""

    result: DistanceResult
    views: list[SetView]


def distance(
    a: Tensor | np.ndarray, b: Tensor | np.ndarray, *, names: tuple[str, str] = ("A", "B"), **asked: Unpack[Asked]
) -> SetDistances:
    """How far two sets of features lie apart, beside what comes out between two halves of the first.

    Args:
        a: features (n, dim), n of 8 or more.
        b: features (m, dim), m of 4 or more, of the same encoder.
        names: what the result calls the sets.
        asked: see :class:`DistanceRequest`.

    Raises:
        InputError: sets of two widths, too small ones, or with NaN; or as of :class:`DistanceRequest`.

    Example:
        >>> found = distance(encoder(x), encoder(y)).result
        >>> found.rows[0].between.test.p
    """
    request = DistanceRequest(**asked)
    first, second = features_of(a, names[0]), features_of(b, names[1])
    if first.shape[1] != second.shape[1]:
        raise InputError(
            f"{names[0]} has {first.shape[1]} features, but {names[1]} has {second.shape[1]}: take both from one "
            f"encoder"
        )
    _check_size(names[0], len(first), 2 * FEWEST)
    _check_size(names[1], len(second), FEWEST)
    hashes = [SampleHashes("features", hash_rows(rows.double())) for rows in (first, second)]
    of_first = drawn(torch.arange(len(first)), request.samples, request.seed)
    of_second = drawn(torch.arange(len(second)), request.samples, request.seed, second=True)
    twins = _twins(*hashes)
    pair = FeaturePair("features", None, first[of_first], first[of_first] if twins else second[of_second])
    sets = [
        SetRecord(name=names[0], samples=len(first), drawn=len(of_first)),
        SetRecord(name=names[1], samples=len(second), drawn=len(of_second)),
    ]
    return _measured([pair], request, sets, Shared(_shared(*hashes), twins), ())


def distance_seen(pair: SeenPair, request: DistanceRequest, device: torch.device, report: Progress) -> SetDistances:
    """How far two sets lie apart for an encoder, beside random weights and the input itself.

    Args:
        pair: the sets and the encoder, as of `simclr.eval.subject.sets.open_pair`.
        request: what is asked for.
        device: where encoders run.
        report: called with (what, done, all of it).

    Raises:
        InputError: sets that are too small, or features that are NaN.
        RuntimeError: the encoder changed on the way.
    """
    for one, least in ((pair.a, 2 * FEWEST), (pair.b, FEWEST)):
        _check_size(one.name, len(one.ids), least)
    hashes = _hashes(pair)
    if hashes is not None:
        shared = Shared(_shared(*hashes), _twins(*hashes))
    else:  # whatever lies at two places is not compared
        twins = pair.a.source is pair.b.source and torch.equal(pair.a.ids, pair.b.ids)
        shared = Shared(len(pair.a.ids) if twins else None, twins)
    if shared.twins:
        pair = pair._replace(b=pair.a._replace(name=pair.b.name))
        hashes = hashes and (hashes[0], hashes[0])
    sets, records = [], []
    for place, one in enumerate((pair.a, pair.b)):
        ids = drawn(one.ids, request.samples, request.seed, second=bool(place) and not shared.twins)
        saw, seen = pair.encoder.saw, None
        if hashes is not None and saw is not None and saw.kind == hashes[place].kind:
            values = hashes[place].values[torch.searchsorted(one.ids, ids)]
            seen = int(torch.isin(values, saw.values).sum())
        sets.append(one._replace(ids=ids))
        records.append(SetRecord(name=one.name, samples=len(one.ids), drawn=len(ids), seen=seen))
    before = fingerprint(pair.encoder)
    notes = [SCENE] if isinstance(pair.a.source, SceneSource) else []
    pairs = feature_pairs(pair._replace(a=sets[0], b=sets[1]), request.seed, device, report)
    found = _measured(pairs, request, records, shared, notes, report)
    more = [
        f"{several(len(one.source.damaged), 'image')} of {one.name} cannot be read: others stand in for them."
        for one in (pair.a, pair.b)
        if one.source.damaged
    ]
    if all(row.representation != "raw" for row in found.result.rows):
        more.append("The raw input has no row: images of A and B are of two sizes.")
    made = pair.encoder.metadata
    encoder = EncoderRecord(
        feature_dim=made.feature_dim,
        sha256_before=before,
        sha256_after=fingerprint(pair.encoder),
        frozen=True,
        file=str(pair.path),
        created=made.created,
        git=made.git,
    )
    if encoder.sha256_after != before:
        raise RuntimeError("the encoder changed during the evaluation: it is not frozen.")
    return found._replace(
        result=found.result.model_copy(update={"encoder": encoder, "notes": (*found.result.notes, *more)})
    )


def _measured(
    pairs: Iterable[FeaturePair],
    request: DistanceRequest,
    sets: Sequence[SetRecord],
    shared: Shared,
    notes: Sequence[str],
    report: Progress = lambda what, done, total: None,
) -> SetDistances:
    rows: list[SetDistance] = []
    views: list[SetView] = []
    amounts = Amounts(request.angles, request.permutations, request.splits, request.seed)
    started = time.perf_counter()
    told = list[str]()
    for pair in pairs:
        told = told if rows else _about_features(pair)
        report(f"distances: {pair.name}", len(rows), len(rows) + 1)
        rows.append(compared(pair, amounts))
        views.append(first_components(pair))
    a, b = sets
    result = DistanceResult(
        protocol=PROTOCOL,
        a=a,
        b=b,
        same=shared.of_b,
        identical=shared.twins,
        compared=min(a.drawn // 2, b.drawn),
        angles=request.angles,
        permutations=request.permutations,
        splits=request.splits,
        seed=request.seed,
        rows=tuple(rows),
        notes=(*_about_sets(a, b, shared), *notes, *told),
        versions=versions(),
        seconds=round(time.perf_counter() - started, 1),
    )
    return SetDistances(result, views)


def _about_features(pair: FeaturePair) -> list[str]:
    n, dead = pair.a.shape[1], int(constant(pair.a, pair.b).sum())
    if not dead:
        return []
    which = "All features have" if dead == n else f"{dead:,} of the {n:,} features {'have' if dead > 1 else 'has'}"
    return [f"{which} one value in all samples of A and B, which tells nothing: their information is 0."]


def _about_sets(a: SetRecord, b: SetRecord, shared: Shared) -> list[str]:
    if shared.twins:
        return []
    if shared.of_b:
        return [f"{shared.of_b:,} of the {b.samples:,} samples of B are in A, too: p takes the sets for separate."]
    if a.seen and b.seen is not None and a.seen / a.drawn - b.seen / b.drawn > 0.5:
        return ["Pretraining saw A and not B, which alone may set them apart: random weights saw neither."]
    return []


def _check_size(name: str, n: int, least: int) -> None:
    if n < least:
        why = "half of it is compared with the other half" if least > FEWEST else "neighbours of each are looked for"
        raise InputError(f"{name} has {n} sample{'s' * (n != 1)}, but {least} or more are needed, as {why}")


def _hashes(pair: SeenPair) -> tuple[SampleHashes, SampleHashes] | None:
    """What tells the samples of both sets; None where they are read when asked for, which would take long."""
    if not (pair.a.source.resident and pair.b.source.resident):
        return None
    first = pair.a.source.sample_hashes()
    second = first if pair.b.source is pair.a.source else pair.b.source.sample_hashes()
    return first._replace(values=first.values[pair.a.ids]), second._replace(values=second.values[pair.b.ids])


def _twins(a: SampleHashes, b: SampleHashes) -> bool:
    return a.kind == b.kind and torch.equal(a.values.sort().values, b.values.sort().values)


def _shared(a: SampleHashes, b: SampleHashes) -> int | None:
    return int(torch.isin(b.values, a.values).sum()) if a.kind == b.kind else None
