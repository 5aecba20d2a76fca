"""Scores of fine-tuned encoders on splits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from eval.probes.prediction import Prediction
from eval.probes.score import Score, scored
from eval.splits.labelled import LabelledData
from eval.splits.split import Split
from eval.splits.validation import SHARE
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.finetune import BATCH_SIZE, FROM_SCRATCH, FineTuned, train_classifier, tuned_logits
from simclr.models.head import ProjectionHead

FINE_TUNE = "fine-tune"
# On Indian Pines twice as many steps gain 0.3 points.
STEPS = 100
PASSES = 20

SUPERVISED = "supervised"
SUPERVISED_MOST = 2_000


def training_steps(samples: int) -> int:
    """Most steps of fine-tuning and of training from scratch alike: ``STEPS``, or ``PASSES`` over the samples."""
    return max(STEPS, math.ceil(PASSES * samples / BATCH_SIZE))


def fine_tuned_scores(
    encoder: FrozenEncoder,
    data: LabelledData,
    splits: Sequence[Split],
    head: ProjectionHead | None = None,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> list[tuple[int | None, Score]]:
    """Trains a copy of the encoder end to end on every split and scores it once on the test part.

    Args:
        encoder: as of ``simclr.load_encoder``.
        data: what the splits are of.
        splits: whose training part lies in ``data.source``.
        head: fine-tune from the first layer of this projection head instead of h.
        device: where training runs.
        progress: called with (trainings done, all of them).
        options: settings of ``simclr.finetune.check_settings`` to be changed.

    Returns:
        (seed, score) of each training.
    """
    found: list[tuple[int | None, Score]] = []
    for split in splits:
        tuned = train_classifier(
            encoder,
            data.source,
            split.learned(),
            head=head,
            augment="recipe" in encoder.metadata,
            validation=split.validation if len(split.validation) else SHARE,
            seed=split.seed or 0,
            device=device,
            **{"steps": training_steps(len(split.learned())), **options},
        )
        found.append((split.seed, score_tuned(FINE_TUNE, tuned, encoder, data, split, device)))
        if progress is not None:
            progress(len(found), len(splits))
    return found


def score_tuned(
    name: str,
    tuned: FineTuned,
    encoder: FrozenEncoder,
    data: LabelledData,
    split: Split,
    device: torch.device | str,
) -> Score:
    """A trained classifier on the test part of its split, which may lie in either part of the data."""

    def logits(part: Source, ids: Tensor) -> Tensor:
        return tuned_logits(tuned, encoder, part, ids, device)

    values = data.gather(split.test, logits)
    predicted = Prediction(tuned.classes[values.argmax(1)], values, tuned.selected)
    return scored(name, split, data.labels[split.test], predicted)


def fine_tune(encoder: FrozenEncoder, source: Source, split: Split, **settings: Any) -> Prediction:
    """Trains a copy of the encoder and a linear classifier on the training part of a split, and classifies the rest.

    Test samples are touched once, at the end, and their labels never. The encoder itself stays as it is.

    Args:
        encoder: as of ``simclr.load_encoder``; its ``random_twin`` gives supervised training from scratch, for which
            ``**FROM_SCRATCH`` is right.
        source: labelled samples.
        split: ids of training and test samples; on its validation part, if any, the number of steps is chosen.
        settings: see :func:`train_classifier`.

    Returns:
        Classes of the test samples, logits of the classes that occur in the training part, and what was selected.

    Raises:
        InputError: as :func:`train_classifier`.

    Example:
        >>> prediction = fine_tune(encoder, source, k_shot(source.labels, 5, seed=0))
        >>> scratch = fine_tune(encoder.random_twin(0), source, split, **FROM_SCRATCH)
    """
    if len(split.validation):
        settings = {"validation": split.validation, **settings}
    tuned = train_classifier(encoder, source, split.learned(), **settings)
    scores = tuned_logits(tuned, encoder, source, split.test, settings.get("device", "cpu"))
    return Prediction(tuned.classes[scores.argmax(1)], scores, tuned.selected)


def supervised_scores(
    encoder: FrozenEncoder,
    data: LabelledData,
    splits: Sequence[Split],
    seeds: Sequence[int],
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> list[tuple[int | None, Score]]:
    """Trains the encoder's random twin end to end on every split and scores it once on the test part.

    All steps are taken: on Indian Pines holding samples out to choose their number was no better, and twice the work.

    Args:
        encoder: gives the architecture, the preprocessing and the recipe's augmentation; its weights are not used.
        data: what the splits are of.
        splits: whose training part lies in ``data.source``.
        seeds: for a split without a seed, one training for each; otherwise the split's own.
        device: where training runs.
        progress: called with (trainings done, all of them).

    Returns:
        (seed, score) of each training.
    """
    jobs = [(split, seed) for split in splits for seed in (seeds if split.seed is None else (split.seed,))]
    found: list[tuple[int | None, Score]] = []
    for split, seed in jobs:
        tuned = train_classifier(
            encoder.random_twin(seed),
            data.source,
            split.learned(),
            augment="recipe" in encoder.metadata,
            steps=training_steps(len(split.learned())),
            validation=0.0,
            seed=seed,
            device=device,
            **FROM_SCRATCH,
        )
        found.append((seed, score_tuned(SUPERVISED, tuned, encoder, data, split, device)))
        if progress is not None:
            progress(len(found), len(jobs))
    return found
