"""Classes of every pixel of a scene, labelled or not, by what an evaluation has fitted."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from simclr.data.preprocess import Preprocess
from simclr.data.scenes.scene import SceneSource
from simclr.eval.open_set.metrics import UNKNOWN
from simclr.eval.open_set.scores import OPEN_SCORES, SCORE
from simclr.eval.probes.prediction import Classify
from simclr.eval.splits.split import Split
from simclr.eval.subject.baselines import raw_features
from simclr.eval.subject.feature_cache import FeatureCache


def pixel_features(
    encoder: nn.Module,
    source: SceneSource,
    cache: FeatureCache | None = None,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Features of every pixel, labelled or not.

    Args:
        encoder: as of ``simclr.load_encoder``.
        source: the scene.
        cache: where features are kept; None extracts them.
        device: where the encoder runs.
        progress: as in ``extract_features``.

    Returns:
        (height * width, dim) float32.

    Raises:
        InputError, RuntimeError: as in ``simclr.eval.subject.features.extract_features``.
    """
    ids = torch.arange(len(source))
    return (cache or FeatureCache(None)).features(encoder, source, ids, device=device, progress=progress)


def pixel_spectra(preprocess: Preprocess, source: SceneSource) -> Tensor:
    """The pixels' own spectra as features, (height * width, bands) float32."""
    return raw_features(preprocess, source, torch.arange(len(source)))


def predict_pixels(classify: Classify, features: Tensor, source: SceneSource) -> Tensor:
    """Predicted class of every pixel, (height, width) int64.

    At the test pixels of the probe's split these are the predictions that it is scored on.

    Args:
        classify: of the probe's ``Prediction``.
        features: of every pixel, as it was fitted to.
        source: the scene.
    """
    return classify(features).reshape(source.height, source.width)


def predict_with_unknown(
    encoder: nn.Module,
    source: SceneSource,
    split: Split,
    cut: float,
    score: str = SCORE,
    cache: FeatureCache | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Predicted class of every pixel, ``UNKNOWN`` where its unknownness is above a threshold.

    Args:
        encoder: as of ``simclr.load_encoder``.
        source: the scene, with labels.
        split: of known classes, as of ``simclr.eval.splits.open_split``, whose training part scores learn from.
        cut: the threshold, as of ``simclr.eval.open_set.thresholds.threshold``.
        score: of ``simclr.eval.open_set.scores.OPEN_SCORES``, one that gives a single score.
        cache, device: as in :func:`pixel_features`.

    Returns:
        (height, width) int64.

    Raises:
        InputError, RuntimeError: as in ``simclr.eval.subject.features.extract_features``.
    """
    features, labels = pixel_features(encoder, source, cache, device), source.labels
    assert labels is not None  # a split exists
    learned = split.learned()
    classes, values = OPEN_SCORES[score](features[learned], labels[learned], features)
    return classes.where(values[score] <= cut, UNKNOWN).reshape(source.height, source.width)
