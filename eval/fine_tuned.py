"""Scores of fine-tuned encoders on splits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from eval.fine_tune import BATCH_SIZE, FineTuned, train_classifier, tuned_logits
from eval.labelled import LabelledData
from eval.prediction import Prediction
from eval.score import Score, scored
from eval.splits import Split
from eval.validation import SHARE
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.head import ProjectionHead

FINE_TUNE = "fine-tune"
# On Indian Pines twice as many steps gain 0.3 points.
STEPS = 100
PASSES = 20


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
        options: settings of ``eval.fine_tune.check_settings`` to be changed.

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
