"""All triplets of a batch without building one: by distances sorted among each other, in O(B² log B) time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from simclr.losses.distances import distances, exact_dtype

# Distances that are looked at together: they stay in a cache, and memory grows with the batch and not with its square.
_AT_ONCE = 1 << 20


class Shares(NamedTuple):
    """Shares of triplets, scalars, by d_p and d_n, the distances of an anchor to its positive and to its negative.

    Attributes:
        easy: d_n ≥ d_p + margin.
        semi_hard: d_p < d_n < d_p + margin.
        hard: d_n ≤ d_p.
        active: whose loss is above 0: semi-hard and, with a margin, hard ones.
    """

    easy: Tensor
    semi_hard: Tensor
    hard: Tensor
    active: Tensor


class Anchors(NamedTuple):
    """Some rows as anchors, with their positives.

    Attributes:
        rows: (n,) int64.
        positives: rows of their positives, (n, P) int64; the first ones of each row count.
        valid: which ones count, (n, P) bool.
    """

    rows: Tensor
    positives: Tensor
    valid: Tensor


def batch_all(
    x: Tensor, labels: Tensor, margin: float, *, squared: bool, soft: bool, shares: bool = True
) -> tuple[Tensor, Shares | None]:
    """Mean loss of the active triplets among all (a, p, n) with y_a = y_p ≠ y_n and a ≠ p.

    Time is O(B² log B) and memory O(B): for an anchor with sorted thresholds t = d_p + margin, the number of thresholds
    above d_n says how often d_n counts, and the prefix sums of the numbers of negatives between thresholds how often
    each t does. With ``soft`` no such order helps: time is that of all triplets, memory as before.

    Args:
        x: (B, dim) float32 or float64; gets its gradient, not a second one.
        labels: (B,) int64.
        margin: of the hinge.
        squared: compare squared distances.
        soft: log(1 + exp(d_p − d_n)) in place of the hinge; all triplets are active, and the margin says what is easy.
        shares: count the kinds of triplets, in about half as much time again.

    Returns:
        The mean, a scalar (0 without an active triplet), and the shares of triplets, None if they are not asked for.
    """
    loss, *kinds = _BatchAll.apply(x, labels, margin, squared, soft, shares)
    return loss, Shares(*kinds) if shares else None


class _BatchAll(torch.autograd.Function):
    """The gradient is found along with the value: that of each chunk of distances is a count."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, labels: Tensor, margin: float, squared: bool, soft: bool, shares: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        needs_gradient = ctx.needs_input_grad[0]
        leaf = x.detach().requires_grad_(needs_gradient)
        gradient = torch.zeros_like(leaf) if needs_gradient else None
        exact = exact_dtype(x)
        total = x.new_zeros((), dtype=exact)
        triplets, active, hard = (torch.zeros((), dtype=torch.int64, device=x.device) for _ in range(3))
        largest = int(labels.unique(return_counts=True)[1].max())
        for anchors in chunks_of_anchors(labels, len(labels) * largest if soft else len(labels)):
            with torch.enable_grad():
                d = distances(leaf[anchors.rows], leaf, squared)
            negative = labels[anchors.rows, None] != labels
            found = (_soft if soft else _hinge)(d.detach(), negative, anchors, margin, shares)
            total += found.loss
            triplets += (anchors.valid.sum(1) * negative.sum(1)).sum()
            active += found.active
            hard += found.hard
            if gradient is not None:
                (of_chunk,) = torch.autograd.grad(d, leaf, found.gradient)
                gradient += of_chunk
        counted = (triplets if soft else active).clamp_min(1)
        if gradient is not None:
            ctx.save_for_backward(gradient.div_(counted))
        all_ = triplets.clamp_min(1).to(x.dtype)
        easy, semi_hard = (triplets - active) / all_, (active - hard) / all_
        if margin == 0:  # then a triplet of two equal distances is hard and has no loss
            easy, semi_hard = 1 - hard / all_, torch.zeros_like(easy)
        kinds = (easy, semi_hard, hard / all_, (triplets if soft else active) / all_)
        ctx.mark_non_differentiable(*kinds)
        return (total / counted).to(x.dtype), *kinds

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *of_kinds: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError("batch-all has no second derivative: differentiate it without create_graph=True")
        return ctx.saved_tensors[0] * grad, *[None] * 5


class _Found(NamedTuple):
    """Of a chunk: sum of losses, its gradient by the distances, numbers of triplets with d_n < d_p + margin, ≤ d_p."""

    loss: Tensor
    gradient: Tensor
    active: Tensor
    hard: Tensor


def _hinge(d: Tensor, negative: Tensor, anchors: Anchors, margin: float, shares: bool) -> _Found:
    to_positive = d.gather(1, anchors.positives)
    most = to_positive.shape[1]
    thresholds, order = (to_positive + margin).masked_fill(~anchors.valid, -torch.inf).sort(1)
    reached = torch.searchsorted(thresholds, d, right=True)  # how many thresholds are no larger
    # Minus the number of thresholds above each negative: the slope of the loss by its distance.
    gradient = reached.to(d.dtype).sub_(most).mul_(negative)
    # Negatives below each threshold, in the order of thresholds.
    between = torch.zeros(len(d), most + 1, dtype=torch.int32, device=d.device)
    between.scatter_add_(1, reached, negative.to(between.dtype))
    below = between.cumsum(1)[:, :most].masked_fill_(thresholds.isneginf(), 0)
    exact = exact_dtype(d)
    loss = (below * thresholds.masked_fill(below == 0, 0.0).to(exact)).sum() + (gradient * d).sum(dtype=exact)
    active = below.sum()
    gradient.scatter_add_(1, anchors.positives, torch.zeros_like(below).scatter_(1, order, below).to(d.dtype))
    if not shares:
        return _Found(loss, gradient, active, torch.zeros_like(active))
    own = to_positive.masked_fill(~anchors.valid, -torch.inf).gather(1, order)
    closer = (most - torch.searchsorted(own, d)).masked_fill_(~negative, 0)
    return _Found(loss, gradient, active, closer.sum())


def _soft(d: Tensor, negative: Tensor, anchors: Anchors, margin: float, shares: bool) -> _Found:
    to_positive = d.gather(1, anchors.positives).unsqueeze(2)
    triplet = anchors.valid.unsqueeze(2) & negative.unsqueeze(1)
    difference = to_positive - d.unsqueeze(1)
    exact = exact_dtype(d)
    slope = difference.sigmoid().masked_fill_(~triplet, 0.0)
    gradient = -slope.sum(1)
    gradient.scatter_add_(1, anchors.positives, slope.sum(2))
    active, hard = ((difference > -margin) & triplet).sum(), ((difference >= 0) & triplet).sum()
    return _Found(F.softplus(difference).masked_fill_(~triplet, 0.0).sum(dtype=exact), gradient, active, hard)


def chunks_of_anchors(labels: Tensor, width: int) -> Iterator[Anchors]:
    """All rows that have a positive, those of classes of about one size together.

    Args:
        labels: (B,) int64.
        width: numbers that an anchor takes; a chunk has so many anchors that all of theirs stay in bounds.
    """
    place, counts = labels.unique(return_inverse=True, return_counts=True)[1:]
    by_class = place.argsort(stable=True)
    first = counts.cumsum(0) - counts
    sizes = counts[place]
    anchors = (sizes * len(counts) + place).argsort(stable=True)
    anchors = anchors[sizes[anchors] > 1]
    for rows in anchors.split(max(1, _AT_ONCE // width)):
        size = sizes[rows].unsqueeze(1)
        column = torch.arange(int(size[-1]) if len(rows) else 0, device=labels.device)
        members = by_class[(first[place[rows]].unsqueeze(1) + column).clamp_max(len(labels) - 1)]
        yield Anchors(rows, members, (column < size) & (members != rows.unsqueeze(1)))
