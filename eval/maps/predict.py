"""Classes of every pixel of a scene, labelled or not, by what an evaluation has fitted."""

from __future__ import annotations

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


def predict_scene(
    encoder: nn.Module,
    source: SceneSource,
    classify: Classify,
    cache: FeatureCache | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Predicted class of every pixel, by a probe that was fitted to features of the encoder.

    Args:
        encoder: as of ``simclr.load_encoder``.
        source: the scene.
        classify: of the probe's ``Prediction``.
        cache: where features are kept; None extracts them.
        device: where the encoder runs.

    Returns:
        (height, width) int64. At the test pixels of the probe's split these are the predictions that it is scored on.

    Raises:
        InputError, RuntimeError: as in ``simclr.eval.subject.features.extract_features``.
    """
    return classify(_features(encoder, source, cache, device)).reshape(source.height, source.width)


def predict_spectra(preprocess: Preprocess, source: SceneSource, classify: Classify) -> Tensor:
    """Predicted class of every pixel by a probe that was fitted to the pixels' own spectra, (height, width) int64."""
    return classify(raw_features(preprocess, source, torch.arange(len(source)))).reshape(source.height, source.width)


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
        cache, device: as in :func:`predict_scene`.

    Returns:
        (height, width) int64.

    Raises:
        InputError, RuntimeError: as in ``simclr.eval.subject.features.extract_features``.
    """
    features, labels = _features(encoder, source, cache, device), source.labels
    assert labels is not None  # a split exists
    learned = split.learned()
    classes, values = OPEN_SCORES[score](features[learned], labels[learned], features)
    return classes.where(values[score] <= cut, UNKNOWN).reshape(source.height, source.width)


def _features(
    encoder: nn.Module, source: SceneSource, cache: FeatureCache | None, device: torch.device | str
) -> Tensor:
    return (cache or FeatureCache(None)).features(encoder, source, torch.arange(len(source)), device=device)
