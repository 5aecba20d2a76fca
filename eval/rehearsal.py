"""Before an evaluation begins: its measurements tried once on a stand-in for the features, to see their time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple, cast

import torch
from torch import Tensor

from simclr.augment.addressed import permutation
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.errors import InputError
from simclr.eval.judging import Drawn, belonging
from simclr.eval.splits.open_split import OpenSplit
from simclr.eval.splits.split import Split
from simclr.eval.subject.baselines import RAW_SIDE
from simclr.eval.subject.representations import PCA_COMPONENTS
from simclr.eval.subject.rows import Matrix
from simclr.eval.subject.subject import Subject
from simclr.eval.work.forecast import Forecast
from simclr.eval.work.work import Work

TRAINED, TESTED, NUMBERS, CLASSES = 300, 10_000, 4_000_000, 16
"""Training samples, test samples, numbers and known classes of the stand-in, at most."""
WARM = 4
"""Features of what is done first, once: whatever comes first takes longer."""
DIRECTIONS, NOISE, APART = 64, 0.02, 0.3
"""A few strong directions, a little noise, and classes that overlap: on such features probes take about as long as on
those of networks."""


class Stage(NamedTuple):
    """What stands in for a representation: features (n, width), classes (n,), and splits of these rows."""

    features: Tensor
    labels: Tensor
    drawn: Drawn


class Looked(NamedTuple):
    """A representation that will be judged: how many features it has, and the splits that are its own."""

    width: int
    drawn: Drawn


def to_be_looked_at(subject: Subject, drawn: Drawn, seeds: Sequence[int]) -> Iterator[Looked]:
    """All that will be judged, as ``simclr.eval.subject.representations.representations`` gives it.

    Args:
        subject: what is judged.
        drawn: all splits.
        seeds: of random weights.
    """
    encoder, data = subject.encoder, subject.data
    if encoder is None:
        yield Looked(int(cast(Matrix, subject.model).shape[1]), drawn)
        return
    yield Looked(encoder.feature_dim, drawn)
    for seed in seeds:
        yield Looked(encoder.feature_dim, belonging(drawn, seed))
    scene, raw = data.source, _raw_width(data.source)
    yield Looked(raw, drawn)
    if isinstance(scene, SceneSource) and data.test_source is None:
        yield Looked(encoder.preprocess.out_chans, drawn)
        raw = encoder.preprocess.out_chans * scene.patch_size**2
    yield Looked(min(raw, PCA_COMPONENTS), drawn)


def _raw_width(source: Source) -> int:
    """Of the input's own features; an unreadable first image is taken for a colour photograph."""
    if isinstance(source, SceneSource):
        return len(source.cube)
    channels, height, width = 3, RAW_SIDE, RAW_SIDE
    with suppress(InputError):
        channels, height, width = source[torch.zeros(1, dtype=torch.int64)].shape[1:]
    return channels * min(height, RAW_SIDE) * min(width, RAW_SIDE)


def rehearse(subject: Subject, drawn: Drawn, measure: Callable[[Stage, Work], object], work: Work) -> None:
    """Tells a forecast how long things take: ``measure`` does them on a stand-in for the smallest splits.

    Args:
        subject: what is judged; none of its features is needed.
        drawn: all splits.
        measure: does what will be done with each representation, as parts of the work that it is given.
        work: whose forecast; nothing is done where nobody listens.
    """
    if work.say is None:
        return
    width = next(to_be_looked_at(subject, drawn, ())).width
    # What fails on a stand-in may do well on features; if not, it is said there.
    with suppress(InputError):
        measure(stage_of(subject.data.labels, drawn, WARM), Work())
        tried = Forecast()
        measure(stage_of(subject.data.labels, drawn, width), Work(forecast=tried))
        work.forecast.learn(tried)


def stage_of(labels: Tensor, drawn: Drawn, width: int) -> Stage:
    """The smallest split of each sort, or a part of it that is quick.

    Args:
        labels: of all samples, (N,) int64.
        drawn: all splits.
        width: number of features.

    Raises:
        InputError: a part of a split with nothing to learn from.
    """
    closed = [_part_of(_smallest(drawn.closed), labels, width)]
    pair = min(drawn.opened, key=lambda one: len(one.open.train), default=None)
    opened = [] if pair is None else [_part_of_pair(pair, labels, width)]
    ids = torch.cat([part for split in [*closed, *(one.open for one in opened)] for part in split.parts().values()])
    ids = ids.unique()
    place = torch.full((len(labels),), -1)
    place[ids] = torch.arange(len(ids))

    def rows(split: Split) -> Split:
        return replace(split, train=place[split.train], test=place[split.test], validation=place[split.validation])

    mine = Drawn([rows(split) for split in closed], [one._replace(open=rows(one.open)) for one in opened])
    return Stage(stand_in(labels[ids], width), labels[ids], mine)


def stand_in(labels: Tensor, width: int) -> Tensor:
    """Features of samples by their classes alone, (n, width) float32; the same for the same arguments.

    Args:
        labels: classes, (n,) int64, of any numbers.
        width: number of features.
    """
    draw = torch.Generator().manual_seed(0)
    classes, places = labels.unique(return_inverse=True)
    strong = min(width, DIRECTIONS)
    means = APART * torch.randn(len(classes), strong, generator=draw)
    inner = (means[places] + torch.randn(len(labels), strong, generator=draw)) / torch.arange(1, strong + 1)
    mixed = inner @ torch.randn(strong, width, generator=draw) / strong**0.5
    return mixed + NOISE * torch.randn(len(labels), width, generator=draw)


def _smallest(splits: Sequence[Split]) -> Split:
    return min(splits, key=lambda split: len(split.learned()))


def _part_of(split: Split, labels: Tensor, width: int, unknown: Sequence[int] = ()) -> Split:
    most = min(TESTED, max(TRAINED, NUMBERS // width))
    wanted = torch.cat([labels[split.train].unique()[:CLASSES], torch.tensor(list(unknown), dtype=torch.int64)])
    train, test, validation = (
        _some(ids[torch.isin(labels[ids], wanted)], n)
        for ids, n in ((split.train, TRAINED), (split.test, most), (split.validation, TRAINED))
    )
    return replace(split, train=train, test=test, validation=validation)


def _part_of_pair(pair: OpenSplit, labels: Tensor, width: int) -> OpenSplit:
    """Training samples that fall into groups stay together as they are: a group belongs to its sample."""
    apart = pair.apart
    small = _part_of(pair.open, labels, width, pair.unknown)
    if apart is not None and apart.groups is not None and len(small.train) < len(pair.open.train):
        groups = apart.groups[torch.isin(pair.open.learned(), small.learned())]
        apart = apart._replace(groups=groups.unique(return_inverse=True)[1])
    return pair._replace(open=small, apart=apart)


def _some(ids: Tensor, most: int) -> Tensor:
    """Of ids so many at most, ascending; the same again."""
    return ids if len(ids) <= most else ids[permutation(0, 0, len(ids), "cpu")[:most]].sort().values
