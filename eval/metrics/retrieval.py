"""Whether a sample's nearest neighbours are of its class: R@1 and MAP@R under the cosine."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from simclr.errors import InputError
from simclr.eval.metrics.judgement import Metric, check_labelled
from simclr.eval.subject.rows import unit_rows

ROWS_AT_ONCE = 1024


class Retrieval(NamedTuple):
    """Recall at 1 and mean average precision at R, fractions."""

    r_at_1: float
    map_at_r: float


def retrieval(h: Tensor, labels: Tensor) -> Retrieval:
    """Recall at 1 (``r_at_1``) and mean average precision at R (``map_at_r``), each sample once as the query.

    R is the number of other samples of the query's class; MAP@R averages 1/R * sum_{i <= R} precision(i) * hit(i). A
    class of one sample has nothing to retrieve: it is no query, but stays among the candidates. Equally similar
    candidates come in the order of their position.

    Args:
        h: representations, (n, dim), any float type and device; computed in float32.
        labels: classes, (n,) int64, none negative.

    Raises:
        InputError: if the two do not fit together, a label is negative, a feature is NaN or infinite, or
            every class has a single sample.

    Source: Musgrave, Belongie & Lim, "A metric learning reality check", ECCV 2020, section 3.2.
    """
    check_labelled(h, labels)
    labels = labels.to(h.device)
    _, labels, counts = labels.unique(return_inverse=True, return_counts=True)
    others = counts[labels] - 1
    queries = torch.nonzero(others > 0).flatten()
    if len(queries) == 0:
        raise InputError("every class has a single sample: retrieval needs two or more of at least one class.")
    unit = unit_rows(h).float()
    most = int(others.max())
    first, average = 0.0, 0.0
    for rows in queries.split(ROWS_AT_ONCE):
        similarity = unit[rows] @ unit.T
        similarity[torch.arange(len(rows), device=h.device), rows] = -torch.inf
        near = similarity.sort(dim=1, descending=True, stable=True).indices[:, :most]
        hits = (labels[near] == labels[rows, None]).double()
        places = torch.arange(1, most + 1, device=h.device)
        precision = hits.cumsum(1) / places
        within = places <= others[rows, None]
        average += float(((precision * hits * within).sum(1) / others[rows]).sum())
        first += float(hits[:, 0].sum())
    return Retrieval(first / len(queries), average / len(queries))


def r_at_1(h: Tensor, labels: Tensor, seed: int = 0) -> float:
    """Recall at 1, see :func:`retrieval`; nothing is drawn."""
    return retrieval(h, labels).r_at_1


def map_at_r(h: Tensor, labels: Tensor, seed: int = 0) -> float:
    """Mean average precision at R, see :func:`retrieval`; nothing is drawn."""
    return retrieval(h, labels).map_at_r


R_AT_1 = Metric(r_at_1, "R@1", needs="features", family="structure", by="retrieval")
MAP_AT_R = Metric(map_at_r, "MAP@R", needs="features", family="structure", by="retrieval")
