"""Evaluation with unknown classes: some classes are never shown in training and must be rejected in the test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from simclr.eval.metrics.accuracy import overall_accuracy
from simclr.eval.metrics.judgement import Judgement
from simclr.eval.open_set.calibration import Calibration, calibrate
from simclr.eval.open_set.conformal import CONFORMAL, conformal_p_values, guarantee
from simclr.eval.open_set.metrics import UNKNOWN, auroc, fpr95, open_scores, openness, oscr
from simclr.eval.open_set.scores import FOLDS_OF, LEAST_CLASSES, OPEN_SCORES, Scored
from simclr.eval.open_set.shift import score_shift
from simclr.eval.open_set.thresholds import HELD_OUT, REJECTED, gap_threshold, threshold
from simclr.eval.probes.prediction import Selected
from simclr.eval.splits.apart import SINGLE
from simclr.eval.splits.open_split import OpenSplit
from simclr.eval.splits.split import Split
from simclr.eval.subject.rows import Matrix


class OpenEntry(NamedTuple):
    """One score on one split, ranked or cut at a threshold.

    Attributes:
        probe: the score's name.
        threshold: kind of threshold; None for rank metrics.
        metrics: by name; None where a metric has nothing to be taken over.
        selected: the unknown classes, and of a threshold its ``value`` (None rejects nothing) and how it was found.
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


def open_set(features: Matrix, labels: Tensor, pair: OpenSplit, conformal: bool = False) -> list[OpenEntry]:
    """Every score and threshold on one split: one entry for each, of rank metrics and of decisions.

    Args:
        features: (N, dim) float.
        labels: (N,) int64.
        pair: the split with unknown classes, by rows of the features.
        conformal: whether to decide by conformal p values, too.

    Raises:
        InputError: if every class has a single training sample: there is nothing to fit a threshold on.
    """
    split, apart = pair.open, pair.apart or SINGLE
    train, test = split.learned(), open_test(labels, split, pair.unknown)
    train_x, train_y, test_x = features[train], labels[train], features[split.test]
    found: list[OpenEntry] = []
    for way, score in OPEN_SCORES.items():
        least = LEAST_CLASSES.get(way, 1)
        scored = score(train_x, train_y, test_x)
        found += open_entries(scored, test, calibrate(score, train_x, train_y, apart, FOLDS_OF.get(way), least))
        if conformal:
            p_values = conformal_p_values(score, train_x, train_y, test_x, apart, least)
            promise: Selected = {"threshold": CONFORMAL, "rejected": REJECTED, "promised": guarantee(apart, len(train))}
            for name, value in scored[1].items():
                p = p_values.get(name, torch.ones_like(value))
                found.append(_decided(name, scored, p > REJECTED, test, promise))
    return found


def open_entries(scored: Scored, test: OpenTest, calibration: Calibration | None) -> list[OpenEntry]:
    """Rank metrics of each score, and decisions by each kind of threshold.

    A score for which nothing could be left out has thresholds that reject nothing.

    Args:
        scored: of the test samples.
        test: what is asked.
        calibration: scores of training samples; None leaves decisions out.
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
        if calibration is None:
            found.append(OpenEntry(name, None, ranks, chosen))
            continue
        held_out = calibration.scores.get(name)
        shift = None if held_out is None else score_shift(held_out, value, calibration.units)
        ranks |= {"shift": shift and shift.ks, "unknown_needed": shift and shift.unknown_needed}
        found.append(OpenEntry(name, None, ranks, chosen))
        on: Selected = {"left_out": calibration.unit, "units": calibration.units, "alone": calibration.alone}
        for kind in HELD_OUT:
            cut, how = threshold(torch.full((1,), torch.inf) if held_out is None else held_out, kind)
            found.append(_decided(name, scored, value <= cut, test, {"value": cut, **how, **on}))
        cut, how = gap_threshold(value)
        found.append(_decided(name, scored, value <= cut, test, {"value": cut, **how}))
    return found


def _decided(name: str, scored: Scored, accepted: Tensor, test: OpenTest, how: Selected) -> OpenEntry:
    metrics = open_scores(test.truth, scored[0].where(accepted, UNKNOWN))
    if how.get("value") == math.inf:
        how = {**how, "value": None, "why": "too much could not be left out: nothing is rejected"}
    return OpenEntry(name, str(how["threshold"]), metrics, {"unknown": list(test.unknown), **how})
