"""MDL4OW on a few labels: a classifier, and a decoder whose errors tell what is of no known class."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from simclr.data.source import Source
from simclr.eval.probes.learner import Learned, Lesson, OwnScores
from simclr.eval.probes.tuned_objective import Ask, ObjectiveOptions, scores_of_logits, train_objective
from simclr.losses.objectives import Objective
from simclr.losses.reconstruction import Reconstruction
from simclr.train.classifier import scores_of

TERMS = {"softmax": {"weight": 0.5}, "reconstruction": {"weight": 0.5}}
USUAL: ObjectiveOptions = {"steps": 200, "lr": 2e-3, "batch_norm": "train"}
"""A decoder begins at random weights, whatever the encoder begins at: it wants more steps than a classifier."""
SCORE = "reconstruction"


def learn(lesson: Lesson, options: ObjectiveOptions | None = None) -> Learned:
    """Half cross entropy, half the L1 distance of a decoder's pictures, whose error is the score ``reconstruction``.

    Args:
        lesson: what to learn, and from where.
        options: as of ``simclr.eval.probes.tuned_objective.train_objective``.

    Source: Liu, Shi & Zhang, "Few-shot hyperspectral image classification with unknown classes using multitask deep
        learning", TGRS 2021.
    """
    return replace(train_objective(lesson, TERMS, {**USUAL, **(options or {})}, _asking), score=SCORE, tail=SCORE)


class _Both(nn.Module):
    """Inputs of the encoder (b, C, h, w) -> logits, and behind them the reconstruction error, (b, K + 1)."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        super().__init__()
        found = objective.modules_of_terms["reconstruction"]
        assert isinstance(found, Reconstruction)
        assert objective.classifier is not None
        self.model, self.classifier, self.reconstruction = model, objective.classifier, found

    def forward(self, x: Tensor) -> Tensor:
        e = self.model(x)
        return torch.cat([self.classifier.logits(e), self.reconstruction.errors(e, x)[:, None]], 1)


def _asking(lesson: Lesson, model: nn.Module, objective: Objective) -> Ask:
    network = _Both(model, objective)

    def own(source: Source, ids: Tensor) -> OwnScores:
        both = scores_of(network, lesson.inputs.plain(source), ids).double()
        logits = both[:, :-1]
        return OwnScores(logits.argmax(1), {SCORE: both[:, -1], **scores_of_logits(logits)})

    return own
