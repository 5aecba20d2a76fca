"""Scores of fine-tuned encoders on splits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from typing_extensions import Unpack

from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.eval.probes.prediction import Prediction, Selected
from simclr.eval.probes.score import Score, kept_score, scored, seen_of
from simclr.eval.probes.tuned_classifier import (
    FROM_SCRATCH,
    FineTuned,
    FineTuning,
    FineTuningOptions,
    targets_of,
    train_classifier,
    tuned_logits,
)
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.split import Split
from simclr.eval.splits.validation import FIXED, SHARE, parts_of
from simclr.eval.subject.features import fingerprint
from simclr.eval.work.work import Work
from simclr.models.head import ProjectionHead

FINE_TUNE = "fine-tune"
# On Indian Pines twice as many steps gain 0.3 points.
STEPS = 100
PASSES = 20

SUPERVISED = "supervised"
SUPERVISED_MOST = 2_000
QUICK_SECONDS = 300.0
"""Training end to end that was not asked for is left out where it takes longer, by a measured step."""


class Trained(NamedTuple):
    """A classifier that was trained on a split, and all that is to be known of how; the latter goes into results."""

    tuned: FineTuned
    selected: Selected


def training_steps(samples: int) -> int:
    """Most steps of fine-tuning and of training from scratch alike: ``STEPS``, or ``PASSES`` over the samples."""
    return max(STEPS, math.ceil(PASSES * samples / FineTuning.batch_size))


def _train(
    encoder: FrozenEncoder,
    source: Source,
    split: Split,
    settings: FineTuning,
    *,
    head: ProjectionHead | None = None,
    share: float = SHARE,
    device: torch.device | str = "cpu",
    stepped: Callable[[], None] | None = None,
) -> Trained:
    """Trains a copy of the encoder and a linear classifier on the training part of a split.

    Args:
        encoder: as of ``simclr.load_encoder``.
        source: labelled samples, those of the training part among them.
        split: on its validation part, if any, the number of steps is chosen.
        settings: how to train; its seed also draws the share.
        head: fine-tune from the first layer of this projection head instead of h.
        share: of each class's training samples that the number of steps is chosen on where the split has no validation
            part; 0 holds nothing out in either case.
        device: where training runs.
        stepped: called after each step.

    Raises:
        InputError: as :func:`train_classifier`, or as ``simclr.eval.splits.validation.parts_of``.
    """
    train = split.learned()
    own = split.validation_rows() if share else None
    _, held_out, selected_on = parts_of(targets_of(source, train).y, own, share, settings.seed)
    tuned = train_classifier(encoder, source, train, held_out, settings, head=head, device=device, stepped=stepped)
    selected: Selected = {
        "steps": tuned.selected.steps,
        "most_steps": settings.steps,
        "selected_on": selected_on if len(held_out) else FIXED,
        "validation_samples": len(held_out),
        "validation_accuracy": tuned.selected.accuracy,
        "from_layer": "h" if head is None else "first layer of the head",
        "augment": settings.augment,
        "virtual_samples": settings.virtual,
        "optimizer": "adamw",
        "lr": settings.lr,
        "layer_decay": settings.layer_decay,
        "weight_decay": settings.weight_decay,
        "batch_size": min(settings.batch_size, len(train)),
        "batch_norm": settings.batch_norm,
    }
    return Trained(tuned, selected)


def fine_tuned_scores(
    encoder: FrozenEncoder,
    data: LabelledData,
    splits: Sequence[Split],
    head: ProjectionHead | None = None,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
    work: Work | None = None,
    **options: Unpack[FineTuningOptions],
) -> list[Score]:
    """Trains a copy of the encoder end to end on every split and scores it once on the test part.

    Args:
        encoder: as of ``simclr.load_encoder``.
        data: what the splits are of.
        splits: whose training part lies in ``data.source``.
        head: fine-tune from the first layer of this projection head instead of h.
        device: where training runs.
        progress: called with (trainings done, all of them), from 0 on.
        work: keeps what is finished, in the scope of the encoder and the data.
        options: settings of ``simclr.eval.probes.tuned_classifier.FineTuning`` to be changed.
    """
    work = work or Work()
    found: list[Score] = []
    if progress is not None:
        progress(0, len(splits))
    for split in splits:
        usual = FineTuning(
            steps=training_steps(len(split.learned())), augment="recipe" in encoder.metadata, seed=split.seed or 0
        )
        settings = replace(usual, **options)
        one = partial(_fine_tuned, encoder, data, split, settings, head, device, _by_steps(work, FINE_TUNE, 2))
        start = "" if head is None or not work.keeps else fingerprint(head)
        found.append(_kept(work, FINE_TUNE, split, settings, one, start))
        if progress is not None:
            progress(len(found), len(splits))
    return found


def supervised_scores(
    encoder: FrozenEncoder,
    data: LabelledData,
    splits: Sequence[Split],
    seeds: Sequence[int],
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
    work: Work | None = None,
) -> list[Score]:
    """Trains the encoder's random twin end to end on every split and scores it once on the test part.

    All steps are taken: on Indian Pines holding samples out to choose their number was no better, and twice the work.

    Args:
        encoder: gives the architecture, the preprocessing and the recipe's augmentation; its weights are not used.
        data: what the splits are of.
        splits: whose training part lies in ``data.source``.
        seeds: for a split without a seed, one training for each; otherwise the split's own.
        device: where training runs.
        progress: called with (trainings done, all of them), from 0 on.
        work: keeps what is finished, in the scope of the encoder and the data.
    """
    work = work or Work()
    jobs = [(split, seed) for split in splits for seed in (seeds if split.seed is None else (split.seed,))]
    found: list[Score] = []
    if progress is not None:
        progress(0, len(jobs))
    for split, seed in jobs:
        steps = training_steps(len(split.learned()))
        settings = replace(FROM_SCRATCH, steps=steps, augment="recipe" in encoder.metadata, seed=seed)
        one = partial(_supervised, encoder, data, split, settings, device, _by_steps(work, SUPERVISED, 1))
        found.append(_kept(work, SUPERVISED, split, settings, one))
        if progress is not None:
            progress(len(found), len(jobs))
    return found


def _fine_tuned(
    encoder: FrozenEncoder,
    data: LabelledData,
    split: Split,
    settings: FineTuning,
    head: ProjectionHead | None,
    device: torch.device | str,
    stepped: Callable[[], None],
) -> Score:
    trained = _train(encoder, data.source, split, settings, head=head, device=device, stepped=stepped)
    return _score(FINE_TUNE, trained, encoder, data, split, device)


def _supervised(
    encoder: FrozenEncoder,
    data: LabelledData,
    split: Split,
    settings: FineTuning,
    device: torch.device | str,
    stepped: Callable[[], None],
) -> Score:
    twin = encoder.random_twin(settings.seed)
    trained = _train(twin, data.source, split, settings, share=0.0, device=device, stepped=stepped)
    return _score(SUPERVISED, trained, encoder, data, split, device, settings.seed)


def _by_steps(work: Work, name: str, passes: int) -> Callable[[], None]:
    """Tells the forecast of every step of a training with so many passes over its steps."""
    before: float | None = None

    def stepped() -> None:
        nonlocal before
        now = time.perf_counter()
        if before is not None:
            work.forecast.took(name, 1 / passes, now - before)
        before = now

    return stepped


def _kept(
    work: Work, name: str, split: Split, settings: FineTuning, make: Callable[[], Score], start: str = ""
) -> Score:
    """One training as a part of the work."""
    key = {"how": dict(asdict(settings)), "start": start, **seen_of(split)}
    return work.part(kept_score(name, split), make, name, settings.steps, what=name, **key)


def fine_tune(
    encoder: FrozenEncoder,
    source: Source,
    split: Split,
    *,
    head: ProjectionHead | None = None,
    share: float = SHARE,
    device: torch.device | str = "cpu",
    **settings: Unpack[FineTuningOptions],
) -> Prediction:
    """Trains a copy of the encoder and a linear classifier on the training part of a split, and classifies the rest.

    Test samples are touched once, at the end, and their labels never. The encoder itself stays as it is.

    Args:
        encoder: as of ``simclr.load_encoder``; its ``random_twin`` gives supervised training from scratch, for which
            the settings of ``simclr.eval.probes.tuned_classifier.FROM_SCRATCH`` are right.
        source: labelled samples.
        split: ids of training and test samples; on its validation part, if any, the number of steps is chosen.
        head, share, device: as in :func:`_train`.
        settings: those of ``simclr.eval.probes.tuned_classifier.FineTuning``.

    Returns:
        Classes of the test samples, logits of the classes that occur in the training part, and what was selected.

    Raises:
        InputError: as :func:`_train`, or a setting is out of range.

    Example:
        >>> prediction = fine_tune(encoder, source, k_shot(source.labels, 5, seed=0))
        >>> scratch = fine_tune(encoder.random_twin(0), source, split, batch_norm="train", layer_decay=1.0)
    """
    trained = _train(encoder, source, split, FineTuning(**settings), head=head, share=share, device=device)
    return _predict(trained, tuned_logits(trained.tuned, encoder, source, split.test, device))


def _score(
    name: str,
    trained: Trained,
    encoder: FrozenEncoder,
    data: LabelledData,
    split: Split,
    device: torch.device | str,
    seed: int | None = None,
) -> Score:
    """A trained classifier on the test part of its split, which may lie in either part of the data."""

    def logits(part: Source, ids: Tensor) -> Tensor:
        return tuned_logits(trained.tuned, encoder, part, ids, device)

    predicted = _predict(trained, data.gather(split.test, logits))
    return scored(name, split, data.labels[split.test], predicted, seed)


def _predict(trained: Trained, logits: Tensor) -> Prediction:
    return Prediction(trained.tuned.classes[logits.argmax(1)], logits, trained.selected)
