"""Evaluation with unknown classes: some classes are never shown in training and must be rejected in the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from simclr.eval.metrics.accuracy import overall_accuracy
from simclr.eval.metrics.judgement import Judgement
from simclr.eval.open_set.metrics import UNKNOWN, auroc, fpr95, open_scores, openness, oscr
from simclr.eval.open_set.scores import FOLDS, OPEN_SCORES, THRESHOLDS, Scored, held_out_scores, threshold
from simclr.eval.probes.prediction import Selected
from simclr.eval.splits.split import Split
from simclr.eval.subject.rows import Matrix

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


class OpenTest(NamedTuple):
    """The test part of a split with unknown classes.

    Attributes:
        truth: class of each sample, ``UNKNOWN`` for those of unknown classes, (m,) int64.
        is_unknown: (m,) bool.
        openness: of the split.
        unknown: labels of the unknown classes.
    """

    truth: Tensor
    is_unknown: Tensor
    openness: float
    unknown: tuple[int, ...]


def open_test(labels: Tensor, split: Split, unknown: Sequence[int]) -> OpenTest:
    """What a split asks.

    Args:
        labels: (N,) int64.
        split: with unknown classes in its test part, as of ``simclr.eval.splits.open_split``.
        unknown: labels of the unknown classes.
    """
    truth = labels[split.test]
    is_unknown = torch.isin(truth, torch.tensor(list(unknown), dtype=torch.int64))
    known_classes, test_classes = len(labels[split.learned()].unique()), len(truth.unique())
    return OpenTest(
        truth.where(~is_unknown, UNKNOWN), is_unknown, openness(known_classes, test_classes), tuple(unknown)
    )


def open_set(features: Matrix, labels: Tensor, split: Split, unknown: Sequence[int]) -> list[OpenEntry]:
    """Every score and threshold on one split: one entry for each, of rank metrics and of decisions.

    Args:
        features: (N, dim) float.
        labels, split, unknown: as of :func:`open_test`.

    Raises:
        InputError: if every class has a single training sample: there is nothing to fit a threshold on.
    """
    train, test = split.learned(), open_test(labels, split, unknown)
    train_x, train_y, test_x = features[train], labels[train], features[split.test]
    found: list[OpenEntry] = []
    for way, score in OPEN_SCORES.items():
        scored = score(train_x, train_y, test_x)
        found += open_entries(scored, held_out_scores(score, train_x, train_y, FOLDS_OF.get(way)), test)
    return found


def open_entries(scored: Scored, held_out: Mapping[str, Tensor], test: OpenTest) -> list[OpenEntry]:
    """Rank metrics of each score, and decisions by each kind of threshold.

    Args:
        scored: of the test samples.
        held_out: by the score's name, unknownness of training samples that the scoring model has not seen; none of a
            score that gets no threshold.
        test: what is asked.
    """
    classes, values = scored
    truth, is_unknown = test.truth, test.is_unknown
    known = Judgement(truth[~is_unknown], classes[~is_unknown])
    found: list[OpenEntry] = []
    for name, value in values.items():
        ranks = {
            "auroc": auroc(value, is_unknown),
            "fpr95 (known positive)": fpr95(value, is_unknown, "known"),
            "fpr95 (unknown positive)": fpr95(value, is_unknown, "unknown"),
            "oscr": oscr(value, is_unknown, classes == truth),
            "closed_oa": overall_accuracy(known),
            "openness": test.openness,
        }
        chosen: Selected = {"unknown": list(test.unknown)}
        found.append(OpenEntry(name, None, ranks, chosen))
        for kind in THRESHOLDS if name in held_out else ():
            cut, how = threshold(held_out[name], kind)
            metrics = open_scores(truth, classes.where(value <= cut, UNKNOWN))
            found.append(OpenEntry(name, kind, metrics, {**chosen, "value": cut, **how}))
    return found
