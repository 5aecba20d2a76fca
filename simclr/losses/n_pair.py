"""N-pair loss: of one pair of each class, the positive of an anchor against the positives of all other classes."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from simclr.augment.checks import number
from simclr.losses.batch import Argument, place_in_class, whole_batch
from simclr.losses.distances import products
from simclr.losses.term import Term


def n_pair(embeddings: Tensor, labels: Tensor, *, l2: float = 0.0, check: bool = True) -> Tensor:
    """mean_i log(1 + Σ_{j≠i} exp(a_i·p_j − a_i·p_i)) with one pair (a_i, p_i) of each class, + l2 · mean ‖x‖².

    The first two samples of each class in the global batch are its pair. Further ones make a second batch of pairs, the
    third and fourth of each class, and so on; an odd one is left out, and a pair without another class. The mean is
    over the anchors of all.

    Args:
        embeddings: (batch, dim), any float type; computed in float32 at least. Not normalised, in the paper.
        labels: (batch,) integers ≥ 0.
        l2: weight of the mean squared length, which nothing else bounds.
        check: as of `simclr.losses.batch.whole_batch`.

    Raises:
        ValueError: as `simclr.losses.batch.whole_batch`.

    Source: Sohn, "Improved deep metric learning with multi-class N-pair loss objective", NeurIPS 2016, section 3.2.
    """
    x, y = whole_batch(embeddings, labels, [Argument("l2", l2, partial(number, low=0.0))], check=check)
    place, order = place_in_class(y), y.argsort(stable=True)  # a pair is two rows in a row
    first = ((place[order] % 2 == 0) & (y[order] == y[order].roll(-1))).nonzero()[:, 0]
    first = first[first + 1 < len(y)]
    turn = place[order[first]] // 2
    first, turn = (part[(turn[:, None] == turn).sum(1) > 1] for part in (first, turn))
    if check and not len(first):
        raise ValueError(
            "only one class of the batch has two samples: N-pair takes a pair from each of several classes"
        )
    anchors, positives = x[order[first]], x[order[first + 1]]
    logits = products(anchors, positives).masked_fill(turn[:, None] != turn, -torch.inf)
    losses = logits.logsumexp(1) - logits.diagonal()
    loss = losses.sum() / max(1, len(losses))
    if l2:
        loss = loss + l2 * x.square().sum(1).mean()
    return loss.to(x.dtype)


N_PAIR = Term("N-pair", n_pair)
