"""Margin loss: positives nearer than a learned boundary β, negatives farther away, each by a margin."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from simclr.augment.addressed import MAX_EPOCHS, Address
from simclr.augment.checks import integer, number, switch
from simclr.losses.batch import Argument, whole_batch
from simclr.losses.distance_weighted import draw_negatives, negative_weights
from simclr.losses.distances import distances
from simclr.losses.term import Term


def margin_loss(
    embeddings: Tensor,
    labels: Tensor,
    beta: Tensor,
    *,
    margin: float = 0.2,
    nu: float = 0.0,
    seed: int = 0,
    draw: int = 0,
    check: bool = True,
) -> Tensor:
    """[Σ max(0, margin + d_p − β) + Σ max(0, margin − d_n + β) + ν·Σ β] / number of terms above 0.

    The sums are over all pairs of an anchor and a positive in the global batch; for each one a negative is drawn, by
    `simclr.losses.distance_weighted`. What is drawn follows from (seed, draw) and the batch, alike in every process.

    Args:
        embeddings: (batch, dim) of length 1, any float type; computed in float32 at least.
        labels: (batch,) integers ≥ 0.
        beta: β, a scalar or one for each class, (classes,); it is learned, so an optimizer has to hold it.
        margin: on both sides of the boundary.
        nu: ν, how much a small boundary is preferred.
        seed: of the run.
        draw: how many batches were drawn before, 0 to 2^24 − 1.
        check: as of `simclr.losses.batch.whole_batch`.

    Raises:
        ValueError: as `simclr.losses.batch.whole_batch`; rows that are not of length 1.

    Source: Wu et al., "Sampling matters in deep embedding learning", ICCV 2017, section 4; ν and the mean
        over terms above 0 are those of the authors' code.
    """
    arguments = [
        Argument("margin", margin, partial(number, low=0.0)),
        Argument("nu", nu, partial(number, low=0.0)),
        Argument("draw", draw, partial(integer, low=0, high=MAX_EPOCHS - 1)),
    ]
    classes = len(beta) if beta.ndim else None
    x, y = whole_batch(embeddings, labels, arguments, unit=True, classes=classes, check=check)
    d = distances(x, x)
    same = y[:, None] == y
    pairs = same & ~same.all(1, keepdim=True) & ~torch.eye(len(x), dtype=torch.bool, device=x.device)
    anchors, positives = pairs.nonzero(as_tuple=True)
    with torch.no_grad():
        ids = torch.arange(len(anchors), device=x.device)
        uniform = Address(seed, draw, ids, torch.zeros_like(ids)).uniform("negatives", 1)[:, 0]
        negatives = draw_negatives(negative_weights(d, y, x.shape[1]), anchors, uniform)
    boundary = beta[y[anchors]] if beta.ndim else beta.expand(len(anchors))
    terms = torch.cat([d[anchors, positives] - boundary, boundary - d[anchors, negatives]]) + margin
    losses = terms.clamp_min(0)
    return (losses.sum() + nu * boundary.sum()) / (losses.detach() > 0).sum().clamp_min(1)


class Margin(nn.Module):
    """`margin_loss` with its boundary β, a parameter, and the number of batches drawn so far, a buffer.

    Args:
        feature_dim: of the embeddings; not needed.
        classes: how many.
        beta: where β begins.
        per_class: a β for each class.
        margin, nu, seed: as of `margin_loss`.
    """

    draws: Tensor

    def __init__(
        self,
        feature_dim: int,
        classes: int,
        *,
        beta: float = 1.2,
        per_class: bool = False,
        margin: float = 0.2,
        nu: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        number("beta", beta, 0.0, 2.0)
        shape = (classes,) if switch("per_class", per_class) else ()
        self.beta = nn.Parameter(torch.full(shape, float(beta)))
        self.margin, self.nu, self.seed = number("margin", margin, 0.0), number("nu", nu, 0.0), seed
        self.register_buffer("draws", torch.zeros((), dtype=torch.int64))

    def forward(self, embeddings: Tensor, labels: Tensor, *, check: bool = True) -> Tensor:
        """The loss of the global batch, a scalar; in training mode the next batch draws other negatives."""
        draw = int(self.draws) % MAX_EPOCHS
        if self.training:
            self.draws += 1
        return margin_loss(
            embeddings, labels, self.beta, margin=self.margin, nu=self.nu, seed=self.seed, draw=draw, check=check
        )


MARGIN = Term("margin, distance-weighted", Margin, unit=True)
