"""Supervised training from scratch: the same architecture and labels, without any pretraining."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from eval.fine_tune import FROM_SCRATCH, train_classifier
from eval.fine_tuned import score_tuned, training_steps
from eval.labelled import LabelledData
from eval.score import Score
from eval.splits import Split
from simclr.encoder_file import FrozenEncoder

SUPERVISED = "supervised"
SUPERVISED_MOST = 2_000


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
