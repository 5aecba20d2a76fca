"""Triplet loss: a positive has to be nearer to its anchor than a negative, by a margin."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from simclr.augment.checks import choice, number, switch
from simclr.losses.batch import Argument, Batch, Measured, everywhere, part_lengths, whole_batch
from simclr.losses.batch_all import Shares, batch_all
from simclr.losses.distances import distances, distances_of_pairs
from simclr.losses.term import Term

MINING = ("all", "hard", "semi-hard")


class Triplets(NamedTuple):
    """Rows of anchors, positives and negatives, (n,) int64 each."""

    anchors: Tensor
    positives: Tensor
    negatives: Tensor


def triplet(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float = 0.2,
    mining: str = "all",
    squared: bool = False,
    soft: bool = False,
    check: bool = True,
) -> Tensor:
    """Mean of max(0, d_p − d_n + margin) over triplets that are mined in the global batch.

    Args:
        embeddings: (batch, dim), any float type; computed in float32 at least.
        labels: (batch,) integers ≥ 0.
        margin: by which a negative has to be farther away than a positive.
        mining: ``all``: the mean over all triplets whose loss is above 0 (`simclr.losses.batch_all`); ``hard``: for
            each anchor that has a positive the farthest one, and the nearest negative; ``semi-hard``: for each pair of
            anchor and positive the nearest negative that is farther away than the positive, or the farthest of all if
            none is.
        squared: compare squared distances.
        soft: log(1 + exp(d_p − d_n)) in place of the hinge: no margin ends it.
        check: as of `simclr.losses.batch.whole_batch`.

    Returns:
        A scalar. With ``all`` it has a first derivative and no second.

    Raises:
        ValueError: as `simclr.losses.batch.whole_batch`.

    Source: Schroff et al., "FaceNet", CVPR 2015, eq. 3 and section 3.2; Hermans et al., "In defense of the triplet loss
        for person re-identification", arXiv 1703.07737, eq. 5 (hard), section 2 (soft margin; mean of those above 0).
    """
    arguments = [*_arguments(margin, squared, soft), _mining(mining)]
    return _mined(whole_batch(embeddings, labels, arguments, check=check), margin, mining, squared, soft, False).loss


def triplet_measured(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float = 0.2,
    mining: str = "all",
    squared: bool = False,
    soft: bool = False,
    check: bool = True,
) -> Measured:
    """`triplet`, and the shares of easy, semi_hard, hard and active triplets (`simclr.losses.batch_all.Shares`)."""
    arguments = [*_arguments(margin, squared, soft), _mining(mining)]
    return _mined(whole_batch(embeddings, labels, arguments, check=check), margin, mining, squared, soft, True)


def triplets_given(
    anchors: Tensor,
    positives: Tensor,
    negatives: Tensor,
    *,
    margin: float = 0.2,
    squared: bool = False,
    soft: bool = False,
    check: bool = True,
) -> Measured:
    """`triplet` of triplets that were mined elsewhere: the mean over all of them, of all processes, and the shares.

    Args:
        anchors, positives, negatives: embeddings, (triplets, dim) each, any float type.
        margin, squared, soft: as of `triplet`.
        check: as of `simclr.losses.batch.whole_batch`.

    Raises:
        ValueError: as `simclr.losses.batch.part_lengths`; parts of several shapes.
    """
    if not anchors.shape == positives.shape == negatives.shape:
        shapes = ", ".join(str(tuple(part.shape)) for part in (anchors, positives, negatives))
        raise ValueError(f"anchors, positives and negatives have to have one shape, not {shapes}")
    together = torch.cat([anchors, positives, negatives], 1)
    nothing = torch.zeros(len(anchors), dtype=torch.int64, device=anchors.device)
    lengths = part_lengths(together, nothing, _arguments(margin, squared, soft), check=check)
    a, p, n = (part.to(torch.promote_types(part.dtype, torch.float32)) for part in (anchors, positives, negatives))
    to_positive, to_negative = distances_of_pairs(a, p, squared), distances_of_pairs(a, n, squared)
    return _measured(everywhere(to_positive, lengths), everywhere(to_negative, lengths), margin, soft)


def hardest(d: Tensor, labels: Tensor) -> Triplets:
    """For each row that has both: the farthest row of its class, and the nearest one of another class.

    Args:
        d: distances, (B, B).
        labels: (B,) int64.
    """
    same = labels[:, None] == labels
    positive = same & ~torch.eye(len(d), dtype=torch.bool, device=d.device)
    anchors = (positive.any(1) & ~same.all(1)).nonzero()[:, 0]
    farthest = d.masked_fill(~positive, -torch.inf).argmax(1)
    nearest = d.masked_fill(same, torch.inf).argmin(1)
    return Triplets(anchors, farthest[anchors], nearest[anchors])


def semi_hard(d: Tensor, labels: Tensor) -> Triplets:
    """For each pair of anchor and positive: the nearest negative that is farther away than the positive.

    If no negative is farther away, it is the farthest one. That the loss is above 0 is not asked for.

    Args:
        d: distances, (B, B).
        labels: (B,) int64.

    Source: Schroff et al., CVPR 2015, section 3.2.
    """
    same = labels[:, None] == labels
    positive = same & ~torch.eye(len(d), dtype=torch.bool, device=d.device)
    anchors, positives = (positive & ~same.all(1, keepdim=True)).nonzero(as_tuple=True)
    ordered, row = d.masked_fill(same, torch.inf).sort(1)  # negatives first, by distance
    place = torch.searchsorted(ordered, d, right=True)[anchors, positives]
    last = (~same).sum(1)[anchors] - 1
    return Triplets(anchors, positives, row[anchors, place.minimum(last)])


def _mined(batch: Batch, margin: float, mining: str, squared: bool, soft: bool, shares: bool) -> Measured:
    x, y = batch
    if mining == "all":
        loss, kinds = batch_all(x, y, margin, squared=squared, soft=soft, shares=shares)
        return Measured(loss, kinds._asdict() if kinds else {})
    if mining == "hard":
        with torch.no_grad():
            a, p, n = hardest(distances(x, x, squared=True), y)
        # One pair an anchor: quicker than the gradient of all distances.
        to_positive, to_negative = (distances_of_pairs(x[a], x[other], squared) for other in (p, n))
        return _measured(to_positive, to_negative, margin, soft)
    d = distances(x, x, squared)
    a, p, n = semi_hard(d.detach(), y)
    return _measured(d[a, p], d[a, n], margin, soft)


def _measured(to_positive: Tensor, to_negative: Tensor, margin: float, soft: bool) -> Measured:
    """Mean loss of triplets by their distances, (n,) each, and the shares."""
    difference = to_positive - to_negative
    losses = F.softplus(difference) if soft else (difference + margin).clamp_min(0)
    with torch.no_grad():
        hard, within = difference >= 0, difference > -margin
        active = torch.ones_like(hard) if soft else within
        kinds = (~(hard | within), within & ~hard, hard, active)
        shares = Shares(*(kind.sum() / max(1, len(kind)) for kind in kinds))
    return Measured(losses.sum() / max(1, len(losses)), shares._asdict())


def _arguments(margin: float, squared: bool, soft: bool) -> list[Argument]:
    return [
        Argument("margin", margin, partial(number, low=0.0)),
        Argument("squared", squared, switch),
        Argument("soft", soft, switch),
    ]


def _mining(mining: str) -> Argument:
    return Argument("mining", mining, partial(choice, known=MINING))


TRIPLET = Term("triplet", triplet_measured)
