"""What maps of a scene show: which splits and representations, and the class of every pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from simclr.data.scenes.scene import SceneSource
from simclr.eval.judging import Sight, in_part
from simclr.eval.maps.predict import pixel_features, pixel_spectra, predict_pixels
from simclr.eval.open_set.evaluate import OpenEntry
from simclr.eval.open_set.scores import SCORE
from simclr.eval.open_set.thresholds import THRESHOLD
from simclr.eval.probes.prediction import Prediction
from simclr.eval.probes.score import Watch
from simclr.eval.protocol import LinearRequest
from simclr.eval.splits.open_split import OpenSplit
from simclr.eval.splits.split import Split
from simclr.eval.subject.feature_cache import FeatureCache
from simclr.eval.subject.representations import FEATURES, Progress
from simclr.eval.subject.subject import Subject

# Representations that a map shows, by what it calls them.
MAPPED = {"pretrained": "pretrained", "random": "random weights", "raw": "raw input"}


class UnknownMap(NamedTuple):
    """What a map with unknown classes is drawn from: a split, and the threshold that was found for it."""

    pair: OpenSplit
    threshold: float


class Mapped(NamedTuple):
    """A split that a map is drawn of, and the class of each pixel, (H, W) int64, by what the map calls it."""

    split: Split
    classes: dict[str, Tensor]


def classify_pixels(subject: Subject, request: LinearRequest, sight: Sight, report: Progress) -> Watch | None:
    """What classifies all pixels by the headline probe on the splits that maps are of.

    Args:
        subject: what is judged.
        request: what is asked for.
        sight: one of its representations.
        report: called with (what, done, all of it).

    Returns:
        As ``simclr.eval.probes.score.score`` takes it; None where there is no scene, or the map does not show these.
    """
    name, seed, _, encoder = sight.representation
    scene, cache = subject.data.source, subject.cache
    # Of random weights the first seed's.
    if name not in MAPPED or seed not in (None, request.seeds[0]) or not isinstance(scene, SceneSource):
        return None
    if subject.encoder is None:
        return None
    wanted = mapped_splits(sight.drawn.closed)
    if encoder is None:
        pixels = pixel_spectra(subject.encoder.preprocess, scene)
    else:  # a cache of its own: what is looked up for a picture is not on record
        beside, show = FeatureCache(cache.folder, cache.limit, cache.extract), in_part(report, f"map: {name}")
        pixels = pixel_features(encoder, scene, beside, subject.device, show)
        sight.work.forecast.drop(FEATURES, len(scene) - len(sight.ids))

    def predicted(by: Prediction) -> Tensor | None:
        return None if by.classify is None else predict_pixels(by.classify, pixels, scene)

    return lambda probe, split: predicted if split is wanted.get(split.name) and probe == request.headline else None


def mapped_splits(splits: Sequence[Split]) -> dict[str, Split]:
    """The splits that maps are of: of each kind and its first seed the one with the most training samples."""
    first: dict[str, int | None] = {}
    for split in splits:
        first.setdefault(split.name, split.seed)
    alike = [split for split in splits if split.seed == first[split.name]]
    # Of equally large ones the first, which max takes.
    return {kind: max((s for s in alike if s.name == kind), key=lambda s: len(s.train)) for kind in first}


def unknown_map(
    subject: Subject, opened: Sequence[OpenSplit], found: Sequence[tuple[str, Split, list[OpenEntry]]]
) -> UnknownMap | None:
    """Of the first kind and seed the split with the most training samples, and the threshold of the subject on it."""
    data = subject.data
    if not opened or not isinstance(data.source, SceneSource) or data.test_source is not None:
        return None
    first = opened[0].open
    alike = [p for p in opened if (p.open.name, p.open.seed) == (first.name, first.seed)]
    pair = max(alike, key=lambda p: len(p.open.train))
    key = (pair.open.name, pair.open.seed, pair.open.shots, pair.open.share)
    mine = (e for name, s, e in found if name == subject.name and (s.name, s.seed, s.shots, s.share) == key)
    cut = next(e.selected["value"] for e in next(mine) if (e.probe, e.threshold) == (SCORE, THRESHOLD))
    return UnknownMap(pair, cut if isinstance(cut, float) else math.inf)
