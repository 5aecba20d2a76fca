"""Center loss: samples stay near the centre of their class; centres follow, outside of the optimizer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr.augment.checks import integer, probability
from simclr.losses.batch import whole_batch
from simclr.losses.distances import exact_dtype
from simclr.losses.term import Term


def center(embeddings: Tensor, labels: Tensor, centers: Tensor, *, check: bool = True) -> Tensor:
    """½ mean_i ‖x_i − c_{y_i}‖² over the global batch; centres get no gradient.

    Args:
        embeddings: x, (batch, dim), any float type; computed in float32 at least.
        labels: y, (batch,) integers, 0 to classes-1.
        centers: c, (classes, dim).
        check: as of `simclr.losses.batch.whole_batch`.

    Raises:
        ValueError: as `simclr.losses.batch.part_lengths`.

    Source: Wen et al., "A discriminative feature learning approach for deep face recognition", ECCV 2016, eq. 2; the
        mean in place of the sum, as in the authors' code, so that a weight fits every batch size.
    """
    batch = whole_batch(embeddings, labels, pairs=False, classes=len(centers), check=check)
    return _center(batch.embeddings, batch.labels, centers)


def center_steps(embeddings: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """Δc_k = Σ_{i: y_i = k} (c_k − x_i) / (1 + n_k), with n_k samples of class k: (classes, dim).

    Args:
        embeddings: x of the global batch, (N, dim).
        labels: y, (N,) int64.
        centers: c, (classes, dim).

    Source: Wen et al., ECCV 2016, eq. 4.
    """
    # A product, not an addition by index: that is summed in any order on a GPU, and processes would drift apart.
    exact = exact_dtype(centers)
    members = F.one_hot(labels, len(centers)).T.to(exact)
    count = members.sum(1, keepdim=True)
    return ((count * centers.to(exact) - members @ embeddings.to(exact)) / (1 + count)).to(centers.dtype)


class Center(nn.Module):
    """`center` with centres that begin at 0 and take one step c ← c − α·Δc after each loss in training mode.

    The centres are a buffer: no optimizer sees them, a run state holds them, and every process has the same.

    Args:
        feature_dim: of the embeddings.
        classes: how many.
        alpha: α, the share of a step, 0 to 1.

    Source: Wen et al., ECCV 2016, algorithm 1.
    """

    centers: Tensor

    def __init__(self, feature_dim: int, classes: int, *, alpha: float = 0.5) -> None:
        super().__init__()
        integer("classes", classes, 1)
        self.alpha = probability("alpha", alpha)
        self.register_buffer("centers", torch.zeros(classes, feature_dim))

    def forward(self, embeddings: Tensor, labels: Tensor, *, check: bool = True) -> Tensor:
        """The loss of the global batch, a scalar, by the centres of before."""
        batch = whole_batch(embeddings, labels, pairs=False, classes=len(self.centers), check=check)
        loss = _center(batch.embeddings, batch.labels, self.centers)
        if self.training:
            with torch.no_grad():
                self.centers -= self.alpha * center_steps(batch.embeddings, batch.labels, self.centers)
        return loss


def _center(x: Tensor, y: Tensor, centers: Tensor) -> Tensor:
    return (x - centers[y].detach().to(x.dtype)).square().sum(1).mean() / 2


CENTER = Term("center loss", Center, batches="any", alone=False)
