"""The multi-class hinge: the logit of the class has to lead every other one by a margin."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from simclr.augment.checks import number, switch
from simclr.losses.batch import Argument
from simclr.losses.classifier import LinearClassifier, lengths_for_logits, mean_over_processes
from simclr.losses.term import Term

LEAST_MARGIN = 1e-6


def hinge(logits: Tensor, labels: Tensor, *, margin: float = 1.0, squared: bool = False, check: bool = True) -> Tensor:
    """mean_i 1/K Σ_{j≠y_i} max(0, margin − s_iy + s_ij), over the global batch.

    Args:
        logits: s, (batch, K), any float type; computed in float32 at least.
        labels: y, (batch,) integers, 0 to K-1.
        margin: by which the class's logit has to lead.
        squared: of each hinge.
        check: as of `simclr.losses.batch.whole_batch`.

    Raises:
        ValueError: as `simclr.losses.batch.part_lengths`.

    Source: Weston and Watkins, "Support vector machines for multi-class pattern recognition", ESANN 1999.
    """
    arguments = [
        Argument("margin", margin, partial(number, low=LEAST_MARGIN)),
        Argument("squared", squared, switch),
    ]
    lengths = lengths_for_logits(logits, labels, arguments, check)
    scores = logits.to(torch.promote_types(logits.dtype, torch.float32))
    power = 2 if squared else 1
    losses = F.multi_margin_loss(scores, labels.long(), p=power, margin=margin, reduction="none")
    return mean_over_processes(losses, lengths)


class Hinge(LinearClassifier):
    """`hinge` of a linear classifier of its own.

    Args:
        feature_dim: of the embeddings.
        classes: how many.
        margin, squared: as of `hinge`.
    """

    def __init__(self, feature_dim: int, classes: int, *, margin: float = 1.0, squared: bool = False) -> None:
        super().__init__(feature_dim, classes)
        self.margin = number("margin", margin, LEAST_MARGIN)
        self.squared = switch("squared", squared)

    def forward(self, embeddings: Tensor, labels: Tensor, *, check: bool = True) -> Tensor:
        """The loss of the global batch, a scalar."""
        return hinge(self.logits(embeddings), labels, margin=self.margin, squared=self.squared, check=check)


HINGE = Term("multi-class hinge", Hinge, batches="any")
