"""Probes on a matrix of features: the part of linear evaluation that needs no encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import torch
from pydantic import JsonValue
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
from simclr.eval.work.journal import Part
from simclr.eval.work.work import Form, Work

Watch = Callable[[str, Split], "Callable[[Prediction], Tensor | None] | None"]

LOOKED_AT = 1_000
"""Training samples that are looked at for features that say nothing."""


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
        beside: what ``watch`` of :func:`score` made of the prediction.
    """

    probe: str
    split: Split
    metrics: dict[str, float]
    recall: dict[int, float]
    counts: Tensor | None
    correct: Tensor
    selected: Selected
    seed: int | None = None
    beside: Tensor | None = None


def fit_units(labels: Tensor, width: int) -> float:
    """How much work it is, about, to learn from samples of these classes with so many features."""
    return (len(labels) + 50.0) * (width + 100.0) * (len(labels.unique()) + 10.0)


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
    work: Work | None = None,
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
        watch: called with each probe's name and split; gives what makes, of the prediction, that which is kept beside
            the score, or None for nothing.
        seed: of the features, where they are of random weights; None leaves each score the seed of its split.
        work: keeps scores that are finished, in the scope of the features and labels.

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
    work = work or Work()
    found: list[Score] = []
    width = features.shape[1]
    if progress is not None:
        progress(0, len(splits) * len(probes))
    for split in splits:
        train = split.learned()
        used = torch.cat([train, split.test])
        if int(used.min()) < 0 or int(used.max()) >= len(labels) or bool((labels[used] < 0).any()):
            raise InputError(f"the {split.name} split uses a sample that is unlabelled or not among the {len(labels)}.")
        if work.say is not None and split is splits[0] and _all_the_same(features[train[:LOOKED_AT]]):
            work.say("all samples have the same features: no probe can tell classes apart by them")
        for probe in probes:
            wanted = None if watch is None else watch(probe, split)
            options = {"standardise": standardise, "all_penalties": all_penalties}
            fit = partial(_fit, features, labels, split, probe, wanted=wanted, seed=seed, say=work.say, **options)
            key = {"probe": probe, "seed": seed, "beside": wanted is not None, **options, **seen_of(split)}
            found.append(work.part(kept_score(probe, split), fit, probe, fit_units(labels[train], width), **key))
            if progress is not None:
                progress(len(found), len(splits) * len(probes))
    return found


def _all_the_same(rows: Tensor) -> bool:
    return len(rows) > 1 and bool((rows == rows[0]).all())


def _fit(
    features: Matrix,
    labels: Tensor,
    split: Split,
    probe: str,
    *,
    wanted: Callable[[Prediction], Tensor | None] | None,
    seed: int | None,
    say: Callable[[str], None] | None,
    **options: bool,
) -> Score:
    """One probe on one split, scored once."""
    train, validation = split.learned(), split.validation_rows()
    x, y, test_x = rows_of(features, train), labels[train], rows_of(features, split.test)
    predicted = fit_probe(probe, x, y, test_x, validation=validation, say=say, **options)
    beside = None if wanted is None else wanted(predicted)
    return replace(scored(probe, split, labels[split.test], predicted, seed), beside=beside)


def kept_score(probe: str, split: Split) -> Form[Score]:
    """How the score of a probe on a split is kept: without the two, which those who ask for it have."""

    def pack(one: Score) -> Part:
        recall: JsonValue = [[c, value] for c, value in one.recall.items()]
        counts = torch.zeros(0, 0) if one.counts is None else one.counts
        places = counts.nonzero()
        tensors = {"places": places, "counts": counts[places[:, 0], places[:, 1]].long(), "correct": one.correct}
        return Part(
            [dict(one.metrics), recall, len(counts), one.selected, one.seed],
            tensors if one.beside is None else {**tensors, "beside": one.beside},
        )

    def unpack(part: Part) -> Score:
        metrics, recall, classes, selected, seed = cast(Any, part.facts)
        places, numbers, correct = (part.tensors[name] for name in ("places", "counts", "correct"))
        counts = torch.zeros(classes, classes, dtype=torch.int64)
        counts[places[:, 0], places[:, 1]] = numbers
        table = counts if classes else None
        return Score(probe, split, metrics, dict(recall), table, correct, selected, seed, part.tensors.get("beside"))

    return Form(pack, unpack)


def seen_of(split: Split) -> dict[str, JsonValue | Tensor]:
    """What a score depends on of its split: ids by part, and its seed."""
    return {"train": split.train, "test": split.test, "validation": split.validation, "drawn by": split.seed}


def scored(probe: str, split: Split, truth: Tensor, predicted: Prediction, seed: int | None = None) -> Score:
    """The score of a prediction for the split's test samples, whose classes are ``truth``; see :class:`Score`."""
    classes, selected = predicted.classes, predicted.selected
    logits = predicted.scores if probe in PROBES and PROBES[probe].logits else None
    temperature = selected.get("temperature")
    judged = Judgement(truth, classes, logits, temperature if isinstance(temperature, float) else None)
    recall, counts = per_class_recall(truth, classes), judged.counts
    seed = split.seed if seed is None else seed
    return Score(probe, split, measure(judged), recall, counts, judged.correct, selected, seed)
