"""Features to be judged side by side: the encoder's, those of random weights, and the input's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, cast

from torch import Tensor

from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.eval.subject.baselines import calibrated_twin, fit_pca, patches, raw_features, unlabelled_ids, window_mean
from simclr.eval.subject.feature_cache import Look
from simclr.eval.subject.rows import Matrix, Rows, rows_of
from simclr.eval.subject.subject import Subject
from simclr.eval.work.journal import Part
from simclr.eval.work.work import Form, Work

Progress = Callable[[str, int, int], None]
PCA_COMPONENTS = 64
FEATURES = "features"
"""The kind of work, in samples."""
LOOKS: Form[Look] = Form(lambda look: Part(list(look)), lambda part: Look(*cast(tuple[Any, ...], part.facts)))


class Representation(NamedTuple):
    """Features of the samples that splits may use.

    Attributes:
        name: what results call it.
        seed: of random weights, else None.
        features: (n, dim) float32 or float64, in the order of the samples' ids.
        encoder: that they are of; None of the input's own and of given features.
    """

    name: str
    seed: int | None
    features: Matrix
    encoder: FrozenEncoder | None = None


def representations(
    subject: Subject, ids: Tensor, seeds: Sequence[int], report: Progress, work: Work | None = None
) -> Iterator[Representation]:
    """What is judged, one after the other: an encoder and its baselines, or a matrix of features.

    Baselines: ``random`` twins, the ``raw`` input, its ``pca`` and, of a scene, the ``window mean``.

    Args:
        subject: whose features.
        ids: samples that splits may use, ascending.
        seeds: of random weights, one twin for each.
        report: called with (what, done, all of it).
        work: keeps what is long; features are kept by the subject's cache.
    """
    work = work or Work()
    model, data, cache, device = subject.model, subject.data, subject.cache, subject.device
    if isinstance(model, Tensor | Rows):
        features = rows_of(model, ids)
        if isinstance(features, Tensor) and features.element_size() < 4:
            features = features.float()
        yield Representation("features", None, features)
        return
    if work.keeps:
        work = work.within(source=cache.content_of(data.source), device=str(device))

    def extract(encoder: FrozenEncoder, what: str) -> Tensor:
        def looked(look: Look) -> Look:
            work.forecast.drop(FEATURES, look.read)
            first = work.part(LOOKS, lambda: look, what="look into the features", file=look.file)
            if look.extracted:  # for an evaluation that is cut off, what was there when it began
                work.journal.write()
            return first

        def features(part: Source, some: Tensor) -> Tensor:
            told = work.forecast.paced(FEATURES)

            def show(done: int, total: int) -> None:
                told(done, total)
                report(f"features: {what}", done, total)

            return cache.features(encoder, part, some, device=device, progress=show, looked=looked)

        return data.gather(ids, features)

    yield Representation("pretrained", None, extract(model, "pretrained"), model)
    for seed in seeds:
        twin = calibrated_twin(model, seed, data.source, device, work)
        yield Representation("random", seed, extract(twin, f"random weights, seed {seed}"), twin)
    preprocess = model.preprocess
    raw = data.gather(ids, lambda part, some: raw_features(preprocess, part, some))
    yield Representation("raw", None, raw)
    scene, fitted_on = data.source, unlabelled_ids(data.source)
    if isinstance(scene, SceneSource) and data.test_source is None:
        yield Representation("window mean", None, window_mean(preprocess, scene, ids))
        inputs, fit = patches(preprocess, scene, ids), patches(preprocess, scene, fitted_on)
    else:
        # Labels are not asked for: where they are sparse, hardly one of these samples has one.
        inputs, fit = raw, raw_features(preprocess, scene, fitted_on)
    mean, directions = fit_pca(fit, PCA_COMPONENTS)
    yield Representation("pca", None, (inputs - mean) @ directions)
