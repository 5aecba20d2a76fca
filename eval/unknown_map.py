"""A scene with unknown classes: which pixels are rejected, beside the ground truth."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eval.feature_cache import FeatureCache
from eval.features import BATCH_SIZE
from eval.open_metrics import UNKNOWN
from eval.open_set import OPEN_SCORES, held_out_scores, threshold
from eval.splits import Split
from simclr.data.scene import SceneSource

SCORE = "mahalanobis"
THRESHOLD = "quantile"


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
        split: of known classes, as of ``eval.open_split``; all is fitted on its training part.
        score: of ``eval.open_set.OPEN_SCORES``, one that gives a single score.
        kind: of ``eval.open_set.THRESHOLDS``.
        batch_size, device, cache: as in ``eval.scene_map.predict_scene``.

    Returns:
        (height, width) int64.

    Raises:
        InputError, RuntimeError: as in ``eval.features.extract_features`` and ``eval.open_set.held_out_scores``.
    """
    features = (cache or FeatureCache(None)).features(encoder, source, torch.arange(len(source)), batch_size, device)
    labels = source.labels
    assert labels is not None  # a split exists
    train_x, train_y = features[split.learned()], labels[split.learned()]
    classes, values = OPEN_SCORES[score](train_x, train_y, features)
    cut, _ = threshold(held_out_scores(OPEN_SCORES[score], train_x, train_y, None)[score], kind)
    return classes.where(values[score] <= cut, UNKNOWN).reshape(source.height, source.width)
