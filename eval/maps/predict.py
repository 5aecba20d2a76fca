"""A scene with unknown classes: which pixels are rejected, beside the ground truth."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eval.open_set.metrics import UNKNOWN
from eval.open_set.scores import OPEN_SCORES, SCORE, THRESHOLD, held_out_scores, threshold
from eval.probes.registry import HEADLINE, fit_probe
from eval.splits.split import Split
from eval.subject.feature_cache import FeatureCache
from eval.subject.features import BATCH_SIZE
from simclr.data.scenes.scene import SceneSource


def predict_with_unknown(
    encoder: nn.Module,
    source: SceneSource,
    split: Split,
    score: str = SCORE,
    kind: str = THRESHOLD,
    batch_size: int = BATCH_SIZE,
    device: torch.device | str = "cpu",
    cache: FeatureCache | None = None,
) -> Tensor:
    """Predicted class of every pixel, ``UNKNOWN`` where its unknownness is above the threshold.

    Args:
        encoder: as of ``simclr.load_encoder``.
        source: the scene, with labels.
        split: of known classes, as of ``eval.splits.open_split``; all is fitted on its training part.
        score: of ``eval.open_set.scores.OPEN_SCORES``, one that gives a single score.
        kind: of ``eval.open_set.scores.THRESHOLDS``.
        batch_size, device, cache: as in ``eval.maps.predict.predict_scene``.

    Returns:
        (height, width) int64.

    Raises:
        InputError, RuntimeError: as in ``eval.subject.features.extract_features`` and
            ``eval.open_set.scores.held_out_scores``.
    """
    features = (cache or FeatureCache(None)).features(encoder, source, torch.arange(len(source)), batch_size, device)
    labels = source.labels
    assert labels is not None  # a split exists
    train_x, train_y = features[split.learned()], labels[split.learned()]
    classes, values = OPEN_SCORES[score](train_x, train_y, features)
    cut, _ = threshold(held_out_scores(OPEN_SCORES[score], train_x, train_y, None)[score], kind)
    return classes.where(values[score] <= cut, UNKNOWN).reshape(source.height, source.width)


def predict_scene(
    encoder: nn.Module,
    source: SceneSource,
    split: Split,
    probe: str = HEADLINE,
    batch_size: int = BATCH_SIZE,
    device: torch.device | str = "cpu",
    cache: FeatureCache | None = None,
    standardise: bool = True,
) -> Tensor:
    """Predicted class of every pixel, labelled or not, by a probe on frozen features that learns from the split.

    Returns:
        (height, width) int64. At the split's test pixels these are the predictions that the probe is scored on.

    Raises:
        InputError, RuntimeError: as in ``eval.subject.features.extract_features``.
    """
    features = (cache or FeatureCache(None)).features(encoder, source, torch.arange(len(source)), batch_size, device)
    labels = source.labels
    assert labels is not None  # a split exists
    train, validation = split.learned(), split.validation_rows()
    predicted = fit_probe(
        probe, features[train], labels[train], features, validation=validation, standardise=standardise
    )
    return predicted.classes.reshape(source.height, source.width)
