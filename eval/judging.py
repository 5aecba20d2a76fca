"""The road that every evaluation takes: draw splits, extract features, measure, train end to end, record.

What is particular to an evaluation (which splits, what is measured on a representation, what is trained) it hands in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor
from typing_extensions import TypedDict

from simclr.encoder_metadata import EncoderMetadata
from simclr.eval.protocol import Request
from simclr.eval.results.record import Excluded, PretrainingSaw
from simclr.eval.results.subject_record import EncoderRecord, Extraction, FineTunedOn, SourceRecord
from simclr.eval.splits.open_split import OpenSplit
from simclr.eval.splits.split import Split
from simclr.eval.subject.features import check_finite
from simclr.eval.subject.representations import Progress, Representation, representations
from simclr.eval.subject.rows import digest
from simclr.eval.subject.subject import Subject
from simclr.eval.work.work import Work
from simclr.run.metadata import versions


class Drawn(NamedTuple):
    """Splits of known classes, and those with unknown ones; ids are those of the subject's samples."""

    closed: list[Split]
    opened: list[OpenSplit]


class Sight(NamedTuple):
    """One representation and the splits that are its own: ids are rows of its features.

    Attributes:
        representation: what is looked at.
        labels: class of each row, (n,) int64.
        ids: the sample of each row, (n,) int64, ascending.
        drawn: all splits, or with random weights those of their seed.
        work: in the scope of the features and labels.
    """

    representation: Representation
    labels: Tensor
    ids: Tensor
    drawn: Drawn
    work: Work


class Judged(NamedTuple):
    """What the road itself found out.

    Attributes:
        drawn: the splits, by ids of samples, as they were in the end.
        feature_dim: width of what was judged.
        before, after: fingerprint of the encoder, None for features.
    """

    drawn: Drawn
    feature_dim: int
    before: str | None
    after: str | None


def judge(
    subject: Subject,
    seeds: Sequence[int],
    draw: Callable[[], Drawn],
    measure: Callable[[Sight], None],
    train: Callable[[Drawn], None],
    report: Progress,
    work: Work,
    expect: Callable[[Drawn], None],
) -> Judged:
    """Walk the road once.

    Args:
        subject: what is judged.
        seeds: of random weights.
        draw: gives the splits; called again where samples turned out to be unreadable.
        measure: called with one representation after the other, first that of the subject.
        train: end to end, on the splits.
        report: called with (what, done, all of it).
        work: keeps what is finished.
        expect: told the splits before anything else is done.

    Raises:
        InputError: features that are NaN or infinite.
        RuntimeError: if the encoder changed on the way.
    """
    drawn = draw()
    expect(drawn)
    before = subject.fingerprint()
    ids = subject.usable()
    place = torch.full((len(subject.data),), -1)
    place[ids] = torch.arange(len(ids))
    feature_dim = 0
    for representation in representations(subject, ids, seeds, report, work):
        check_finite(representation.features, ids, f"the features ({representation.name})")
        if not feature_dim:
            feature_dim = representation.features.shape[1]
            # A streamed source has found its unreadable images now, and taken their labels away.
            drawn = draw() if subject.data.damaged else drawn
        mine = _by_rows(drawn, place, representation.seed)
        labels = subject.data.labels[ids]
        x = representation.features
        told: str | Tensor = x if isinstance(x, Tensor) else digest(x) if work.keeps else ""
        scope = work.within(features=told, labels=labels)
        measure(Sight(representation, labels, ids, mine, scope))
    train(drawn)
    after = subject.fingerprint()
    if after != before:
        raise RuntimeError("the encoder changed during the evaluation: it is not frozen.")
    return Judged(drawn, feature_dim, before, after)


def of_training(subject: Subject, work: Work) -> Work:
    """The work in the scope of what training end to end depends on: encoder, recipe, and all samples and labels."""
    encoder, data, cache = subject.encoder, subject.data, subject.cache
    if encoder is None or not work.keeps:
        return work
    return work.within(
        encoder=cache.identity(encoder, data.source, subject.device),
        recipe=json.dumps(encoder.metadata.get("recipe"), sort_keys=True, default=str),
        labels=data.labels,
        test=None if data.test_source is None else cache.content_of(data.test_source),
    )


class Circumstances(TypedDict):
    """The fields of ``simclr.eval.results.record.Result`` that every evaluation has in common."""

    headline: str
    standardise: bool
    transductive: bool | None
    pretraining_saw: PretrainingSaw | None
    seeds: tuple[int, ...]
    excluded: Excluded
    damaged: tuple[str, ...]
    features: tuple[Extraction, ...]
    source: SourceRecord
    encoder: EncoderRecord
    versions: dict[str, str]
    command: str | None


def circumstances(subject: Subject, request: Request, judged: Judged, command: str | None) -> Circumstances:
    """What is recorded of every evaluation, beside what it measured.

    Args:
        subject: what was judged.
        request: what was asked for.
        judged: what the road found out.
        command: that asked for it.
    """
    data = subject.data
    saw = _pretraining_saw(subject, judged.drawn)
    return Circumstances(
        headline=request.headline,
        standardise=request.standardise,
        transductive=subject.transductive if saw is None else saw.samples > 0,
        pretraining_saw=saw,
        seeds=tuple(request.seeds),
        excluded=Excluded(
            samples=len(subject.excluded),
            why=why_excluded(subject),
        ),
        damaged=tuple(data.damaged),
        features=tuple(Extraction(**look._asdict()) for look in subject.cache.log),
        source=SourceRecord(
            name=data.source.name,
            samples=len(data.source),
            test_part=None if data.test_source is None else len(data.test_source),
            labelled=int((data.labels >= 0).sum()),
            classes={name: int((data.labels == c).sum()) for c, name in enumerate(data.class_names)},
        ),
        encoder=EncoderRecord(
            feature_dim=judged.feature_dim,
            sha256_before=judged.before,
            sha256_after=judged.after,
            frozen=judged.before is not None,
            fine_tuned=_fine_tuned(subject),
        ),
        versions=versions(),
        command=command,
    )


def why_excluded(subject: Subject) -> str:
    """Why no split may use some samples, in words."""
    if subject.excluded_by_id:
        return "given by id"
    told = EncoderMetadata(subject.encoder.metadata) if subject.encoder is not None else EncoderMetadata()
    who = ["fine-tuning"] * bool(told.labels.ids) + ["the online kNN"] * bool(told.monitor_ids)
    return f"{' and '.join(who) or 'it'} {'have' if len(who) > 1 else 'has'} seen their labels"


def _fine_tuned(subject: Subject) -> FineTunedOn | None:
    """What the encoder says of labels that it was fine-tuned on."""
    if subject.encoder is None:
        return None
    seen = EncoderMetadata(subject.encoder.metadata).labels
    if not seen.ids:
        return None
    return FineTunedOn(samples=len(seen.ids), rule=seen.rule, classes=seen.classes, unknown=seen.unknown)


def _pretraining_saw(subject: Subject, drawn: Drawn) -> PretrainingSaw | None:
    """How many of all test samples; None where the caller says it, or it is not known."""
    if subject.transductive is not None or subject.seen is None or subject.seen.samples is None:
        return None
    splits = [*drawn.closed, *(pair.open for pair in drawn.opened)]
    test = torch.cat([split.test for split in splits]).unique()
    return PretrainingSaw(samples=int(subject.seen.samples[test].sum()), of=len(test))


def belonging(drawn: Drawn, seed: int | None) -> Drawn:
    """The splits that features are measured on: with random weights those of their seed, otherwise all."""

    def belongs(split: Split) -> bool:
        return seed is None or split.seed in (seed, None)

    return Drawn(
        [split for split in drawn.closed if belongs(split)], [pair for pair in drawn.opened if belongs(pair.open)]
    )


def in_part(report: Progress, what: str) -> Callable[[int, int], None]:
    """Reports of one part of an evaluation: called with (done, all of it)."""
    return lambda done, total: report(what, done, total)


def silent(what: str, done: int, total: int) -> None:
    """Reports nothing."""


def _by_rows(drawn: Drawn, place: Tensor, seed: int | None) -> Drawn:
    """The splits that belong to a seed (all where it is None), by rows of the features."""

    def rows(split: Split) -> Split:
        return replace(split, train=place[split.train], test=place[split.test], validation=place[split.validation])

    mine = belonging(drawn, seed)
    return Drawn([rows(split) for split in mine.closed], [pair._replace(open=rows(pair.open)) for pair in mine.opened])
