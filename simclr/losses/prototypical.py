"""Prototypical loss: a query belongs to the class whose mean of support samples is nearest."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from simclr.augment.checks import integer
from simclr.losses.batch import Argument, Measured, place_in_class, whole_batch
from simclr.losses.distances import distances
from simclr.losses.term import Term


def prototypical(embeddings: Tensor, labels: Tensor, *, shots: int = 1, check: bool = True) -> Measured:
    """Each global batch is an episode: cross entropy of its queries, and their accuracy.

    The first ``shots`` samples of each class are its support, all others are queries. A class without a query is one
    that queries may be taken for.

    Args:
        embeddings: (batch, dim), any float type; computed in float32 at least.
        labels: (batch,) integers ≥ 0.
        shots: support samples of a class, 1 or more.
        check: as of `simclr.losses.batch.whole_batch`.

    Returns:
        The loss, and ``accuracy`` in [0, 1].

    Raises:
        ValueError: as `simclr.losses.batch.whole_batch`; no class has more than ``shots`` samples.

    Source: Snell et al., "Prototypical networks for few-shot learning", NeurIPS 2017, algorithm 1.
    """
    x, y = whole_batch(embeddings, labels, [Argument("shots", shots, partial(integer, low=1))], check=check)
    query = place_in_class(y) >= shots
    if check and not bool(query.any()):
        raise ValueError(f"no class of the batch has more than {shots} samples, so there are no queries: lower shots")
    return prototypical_episode(x[~query], y[~query], x[query], y[query])


def prototypical_episode(support: Tensor, support_labels: Tensor, query: Tensor, query_labels: Tensor) -> Measured:
    """Mean cross entropy of queries over −‖f(x) − c_k‖², with c_k the mean of the support of class k.

    Args:
        support: (n, dim) float32 or float64.
        support_labels: (n,) int64.
        query: (m, dim) of that dtype.
        query_labels: (m,) int64, of classes that have support.

    Returns:
        The loss of this episode, of one process, and ``accuracy``.
    """
    classes, place = support_labels.unique(return_inverse=True)
    members = F.one_hot(place, len(classes)).T.to(support.dtype)
    prototypes = members @ support / members.sum(1, keepdim=True)
    logits = -distances(query, prototypes, squared=True)
    targets = torch.searchsorted(classes, query_labels)
    losses = F.cross_entropy(logits, targets, reduction="none")
    right = (logits.detach().argmax(1) == targets).to(logits.dtype)
    most = max(1, len(losses))
    return Measured(losses.sum() / most, {"accuracy": right.sum() / most})


PROTOTYPICAL = Term("prototypical", prototypical)
