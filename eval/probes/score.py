"""Probes on a matrix of features: the part of linear evaluation that needs no encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from simclr.errors import InputError
from simclr.eval.metrics.accuracy import per_class_recall
from simclr.eval.metrics.judgement import Judgement
from simclr.eval.metrics.registry import measure
from simclr.eval.probes.prediction import Prediction, Selected
from simclr.eval.probes.registry import DEFAULT_PROBES, PROBES, check_probes, fit_probe
from simclr.eval.splits.split import Split
from simclr.eval.subject.features import check_finite
from simclr.eval.subject.rows import Matrix, rows_of

Watch = Callable[[str, Split, Prediction], None]


@dataclass(frozen=True)
class Score:
    """One probe on one split.

    Attributes:
        probe: its name.
        split: what it learned from and was scored on.
        metrics: those of ``simclr.eval.metrics.registry`` that had what they need, by name.
        recall: of each class.
        counts: row = true class, column = predicted class, (K, K) int64, K = largest class that occurs + 1; None beyond
            ``simclr.eval.metrics.judgement.MOST_CLASSES``.
        correct: whether each test sample was recognised, (m,) bool, in the order of ``split.test``.
        selected: what the probe chose.
        seed: of the measurement: that of random weights or of training, else the split's; None where nothing is drawn.
    """

    probe: str
    split: Split
    metrics: dict[str, float]
    recall: dict[int, float]
    counts: Tensor | None
    correct: Tensor
    selected: Selected
    seed: int | None = None


def score(
    features: Matrix,
    labels: Tensor,
    splits: Sequence[Split],
    probes: Sequence[str] = DEFAULT_PROBES,
    progress: Callable[[int, int], None] | None = None,
    *,
    standardise: bool = True,
    all_penalties: bool = False,
    watch: Watch | None = None,
    seed: int | None = None,
) -> list[Score]:
    """Every probe on every split: learns from the training rows alone, scored once on the test rows.

    Where a split has a validation part, whatever a probe chooses is chosen there; then it learns from both parts.

    Args:
        features: (N, dim), any float type, on the CPU; of rows on disk a probe that cannot read them in tiles takes
            what it needs into the memory.
        labels: classes, (N,) int64; -1 = unlabelled, which no split may use.
        splits: whose ids are rows of ``features``.
        probes: names of ``simclr.eval.probes.registry.PROBES``.
        progress: called with (probes fitted, all of them), from 0 on.
        standardise: whether linear probes divide features by their standard deviation over the training rows.
        all_penalties: whether a probe that ends its search early goes to the end of it.
        watch: called with each probe's name, split and prediction, to keep what is needed once more.
        seed: of the features, where they are of random weights; None leaves each score the seed of its split.

    Returns:
        One score for each split and probe, splits outermost.

    Raises:
        InputError: if a probe is unknown, features hold NaN or infinity, features and labels differ in length, a split
            uses an unlabelled or missing row, or its training part holds fewer than two classes.
    """
    probes = check_probes(probes)
    if len(features.shape) != 2 or labels.shape != features.shape[:1]:
        raise InputError(
            f"features are {tuple(features.shape)} and labels {tuple(labels.shape)}: give (N, dim) and (N,) of one N."
        )
    check_finite(features, torch.arange(len(features)), "features")
    found: list[Score] = []
    if progress is not None:
        progress(0, len(splits) * len(probes))
    for split in splits:
        train = split.learned()
        used = torch.cat([train, split.test])
        if int(used.min()) < 0 or int(used.max()) >= len(labels) or bool((labels[used] < 0).any()):
            raise InputError(f"the {split.name} split uses a sample that is unlabelled or not among the {len(labels)}.")
        train_x, train_y, test_x = rows_of(features, train), labels[train], rows_of(features, split.test)
        options = {"standardise": standardise, "all_penalties": all_penalties}
        validation = split.validation_rows()
        for probe in probes:
            predicted = fit_probe(probe, train_x, train_y, test_x, validation=validation, **options)
            if watch is not None:
                watch(probe, split, predicted)
            found.append(scored(probe, split, labels[split.test], predicted, seed))
            if progress is not None:
                progress(len(found), len(splits) * len(probes))
    return found


def scored(probe: str, split: Split, truth: Tensor, predicted: Prediction, seed: int | None = None) -> Score:
    """The score of a prediction for the split's test samples, whose classes are ``truth``; see :class:`Score`."""
    classes, selected = predicted.classes, predicted.selected
    logits = predicted.scores if probe in PROBES and PROBES[probe].logits else None
    temperature = selected.get("temperature")
    judged = Judgement(truth, classes, logits, temperature if isinstance(temperature, float) else None)
    recall, counts = per_class_recall(truth, classes), judged.counts
    seed = split.seed if seed is None else seed
    return Score(probe, split, measure(judged), recall, counts, judged.correct, selected, seed)
