"""What a split holds apart: groups of training samples that lie from each other as test samples lie from them.

Whatever is calibrated on held-out training samples holds for the test samples only where it holds out as the split
does: single samples of a random split, areas of a block split, fields of a given map.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from torch import Tensor

from simclr.data.scenes.scene import SceneSource
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.split import Split

DRAWN_ALIKE = ("random", "stratified")
"""Kinds of split whose training and test samples are drawn from the same lot."""


class Apart(NamedTuple):
    """How the training samples of a split fall apart.

    Attributes:
        groups: of each sample of ``Split.learned()``, (n,) int64 from 0; None where every sample stands for itself.
        unit: what is held apart, a word for one: ``sample``, ``area`` or ``field``.
        alike: whether test samples are drawn as the training samples are, so that a guarantee for exchangeable samples
            speaks of them.
        why: a sentence without a full stop.
    """

    groups: Tensor | None
    unit: str
    alike: bool
    why: str


SINGLE = Apart(None, "sample", True, "training and test samples are drawn alike")


def held_apart(data: LabelledData, split: Split) -> Apart:
    """The groups of a split; no label of a test sample is read.

    - Random splits, and photographs without a test part: every sample stands for itself.
    - Where no training pixel lies next to a test pixel (block splits): areas. Two training pixels are of one area where
      steps lead from one to the other that are shorter than the least distance of a test pixel, so that areas lie at
      least as far from each other as the test samples lie from them all.
    - Other splits of a scene (maps, files): fields, that is connected areas of one class; but every sample stands for
      itself where half of the test pixels touch a training pixel, as if they had been drawn at random.
    - Data with a test part of its own: every sample stands for itself, though the parts are two sources: the training
      part alone does not show how far apart such sources lie.

    Args:
        data: what the split is of.
        split: by ids of samples; test samples of unknown classes may be among its test part.
    """
    n = len(data.source)
    scene = data.source
    if data.test_source is not None and bool((split.test >= n).any()):
        why = "the test part is a source of its own, and the training part does not show how far apart two sources lie"
        return Apart(None, "sample", False, why)
    if split.name in DRAWN_ALIKE:
        return SINGLE
    if not isinstance(scene, SceneSource):
        return Apart(None, "sample", False, "how the parts were chosen is not known, and samples have no place")
    train, test = (_places(ids, scene.width) for ids in (split.learned(), split.test))
    distances = cKDTree(train).query(test, p=np.inf)[0]
    least = int(distances.min())
    if least > 1:
        groups = _connected(train, least - 1, None)
        why = f"test samples lie {least} pixels or more from all training samples, and so do areas from each other"
        return Apart(groups, "area", False, why)
    if np.median(distances) <= 1:
        return Apart(None, "sample", False, "test pixels lie among training pixels")
    groups = _connected(train, 1, data.labels[split.learned()].numpy())
    return Apart(groups, "field", False, "fields are connected training pixels of one class")


def _places(ids: Tensor, width: int) -> np.ndarray:
    return np.stack(np.divmod(ids.numpy(), width), axis=1)


def _connected(places: np.ndarray, reach: int, classes: np.ndarray | None) -> Tensor:
    """Components of pixels that are at most ``reach`` rows and columns apart, and of one class if classes are given."""
    pairs = cKDTree(places).query_pairs(reach, p=np.inf, output_type="ndarray")
    if classes is not None:
        pairs = pairs[classes[pairs[:, 0]] == classes[pairs[:, 1]]]
    n = len(places)
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return torch.from_numpy(connected_components(links, directed=False)[1].astype(np.int64))
