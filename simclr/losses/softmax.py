"""Cross entropy over a softmax of logits: the objective that the others are compared with."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from simclr.augment.checks import number
from simclr.losses.batch import Argument
from simclr.losses.classifier import LinearClassifier, lengths_for_logits, mean_over_processes
from simclr.losses.term import Term


def softmax(logits: Tensor, labels: Tensor, *, label_smoothing: float = 0.0, check: bool = True) -> Tensor:
    """Cross entropy, the mean over the global batch.

    Args:
        logits: (batch, classes), any float type; computed in float32 at least.
        labels: (batch,) integers, 0 to classes-1.
        label_smoothing: share of the target that all classes get alike, 0 to 1.
        check: as of `simclr.losses.batch.whole_batch`.

    Raises:
        ValueError: as `simclr.losses.batch.part_lengths`.
    """
    arguments = [Argument("label_smoothing", label_smoothing, partial(number, low=0.0, high=1.0))]
    lengths = lengths_for_logits(logits, labels, arguments, check)
    scores = logits.to(torch.promote_types(logits.dtype, torch.float32))
    losses = F.cross_entropy(scores, labels.long(), reduction="none", label_smoothing=label_smoothing)
    return mean_over_processes(losses, lengths)


class Softmax(LinearClassifier):
    """`softmax` of a linear classifier of its own.

    Args:
        feature_dim: of the embeddings.
        classes: how many.
        label_smoothing: as of `softmax`.
    """

    def __init__(self, feature_dim: int, classes: int, *, label_smoothing: float = 0.0) -> None:
        super().__init__(feature_dim, classes)
        number("label_smoothing", label_smoothing, 0.0, 1.0)
        self.label_smoothing = label_smoothing

    def forward(self, embeddings: Tensor, labels: Tensor, *, check: bool = True) -> Tensor:
        """The loss of the global batch, a scalar."""
        return softmax(self.logits(embeddings), labels, label_smoothing=self.label_smoothing, check=check)


SOFTMAX = Term("cross entropy", Softmax, batches="any")
