"""MTGAN on a few labels: an encoder of its own that also draws all samples of a source, with and without labels."""

from __future__ import annotations

from dataclasses import replace

import torch

from simclr.augment.addressed import permutation
from simclr.encoder_file import FrozenEncoder
from simclr.eval.probes.learner import Learned, Lesson
from simclr.eval.probes.tuned_objective import ObjectiveOptions, train_objective
from simclr.models.encoder import random_encoder

WIDTH = 64
USUAL: ObjectiveOptions = {"batch_norm": "train", "steps": 150, "lr": 2e-3}
_LOOKED_AT = 1024


def learn(lesson: Lesson, options: ObjectiveOptions | None = None) -> Learned:
    """End to end: cross entropy on the lesson's samples, and the game on all samples of the source.

    Args:
        lesson: what to learn; of its encoder, preprocessing and views alone are taken.
        options: as of ``simclr.eval.probes.tuned_objective.train_objective``.

    Source: Hang et al., "Classification of hyperspectral images via multitask generative adversarial networks", TGRS
        2021.
    """
    return train_objective(_generator_for(lesson), {"softmax": {}, "adversarial": {}}, {**USUAL, **(options or {})})


def learn_without_labels(lesson: Lesson, options: ObjectiveOptions | None = None) -> Learned:
    """The game alone: features of a generator that has seen no label.

    Args:
        lesson, options: as of :func:`learn`.
    """
    return train_objective(_generator_for(lesson), {"adversarial": {}}, {**USUAL, **(options or {})})


@torch.no_grad()
def _generator_for(lesson: Lesson) -> Lesson:
    """The lesson from a generator with random weights, its statistics those of samples of the source."""
    encoder, source = lesson.encoder, lesson.source
    generator = {"name": "skip_generator", "in_chans": encoder.preprocess.out_chans, "width": WIDTH}
    network = random_encoder(lesson.seed, **generator).to(lesson.device)  # type: ignore[arg-type]
    ids = permutation(lesson.seed, 0, len(source), "cpu")[:_LOOKED_AT]
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    network.train()(lesson.inputs.plain(source)(ids))
    for norm in norms:
        norm.momentum = 0.1
    metadata = {**encoder.metadata, "encoder": generator, "feature_dim": network.feature_dim}
    return replace(lesson, encoder=FrozenEncoder(network, encoder.preprocess, metadata), pretrained=False)
