"""Evaluation with unknown classes: some classes are never shown in training and must be rejected in the test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from simclr.eval.metrics.accuracy import overall_accuracy
from simclr.eval.metrics.judgement import Judgement
from simclr.eval.open_set.metrics import UNKNOWN, auroc, fpr95, open_scores, openness, oscr
from simclr.eval.open_set.scores import FOLDS, OPEN_SCORES, THRESHOLDS, held_out_scores, threshold
from simclr.eval.probes.prediction import Selected
from simclr.eval.splits.split import Split

# The logistic probe is fitted once a fold; distances are cheap, so they leave one sample of each class out at a time.
FOLDS_OF = {"logits": FOLDS}


class OpenEntry(NamedTuple):
    """One score on one split, ranked or cut at a threshold.

    Attributes:
        probe: the score's name.
        threshold: kind of threshold; None for rank metrics.
        metrics: by name; None where a metric has nothing to be taken over.
        selected: the unknown classes, and of a threshold its ``value`` and how it was found.
    """

    probe: str
    threshold: str | None
    metrics: dict[str, float | None]
    selected: Selected


def open_set(features: Tensor, labels: Tensor, split: Split, unknown: Sequence[int]) -> list[OpenEntry]:
    """Every score and threshold on one split: one entry for each, of rank metrics and of decisions.

    Args:
        features: (N, dim) float.
        labels: (N,) int64.
        split: with unknown classes in its test part, as of ``simclr.eval.splits.open_split``.
        unknown: labels of the unknown classes.

    Raises:
        InputError: if every class has a single training sample: there is nothing to fit a threshold on.
    """
    train = split.learned()
    train_x, train_y, test_x = features[train], labels[train], features[split.test]
    truth = labels[split.test]
    is_unknown = torch.isin(truth, torch.tensor(list(unknown), dtype=torch.int64))
    truth = truth.where(~is_unknown, UNKNOWN)
    known_classes, test_classes = len(train_y.unique()), len(labels[split.test].unique())
    found: list[OpenEntry] = []
    for way, score in OPEN_SCORES.items():
        classes, values = score(train_x, train_y, test_x)
        held_out = held_out_scores(score, train_x, train_y, FOLDS_OF.get(way))
        for name, value in values.items():
            ranks = {
                "auroc": auroc(value, is_unknown),
                "fpr95 (known positive)": fpr95(value, is_unknown, "known"),
                "fpr95 (unknown positive)": fpr95(value, is_unknown, "unknown"),
                "oscr": oscr(value, is_unknown, classes == truth),
                "closed_oa": overall_accuracy(Judgement(truth[~is_unknown], classes[~is_unknown])),
                "openness": openness(known_classes, test_classes),
            }
            chosen: Selected = {"unknown": list(unknown)}
            found.append(OpenEntry(name, None, ranks, chosen))
            for kind in THRESHOLDS:
                cut, how = threshold(held_out[name], kind)
                metrics = open_scores(truth, classes.where(value <= cut, UNKNOWN))
                found.append(OpenEntry(name, kind, metrics, {**chosen, "value": cut, **how}))
    return found
