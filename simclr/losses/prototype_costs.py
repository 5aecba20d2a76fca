"""What ProtoPNet asks of prototypes beside the class: one of the own near by, all others far away."""

from __future__ import annotations

import torch
from torch import Tensor

from simclr.losses.batch import part_lengths
from simclr.losses.classifier import mean_over_processes


def cluster_cost(squared: Tensor, labels: Tensor, class_of: Tensor, *, check: bool = True) -> Tensor:
    """mean_i of the smallest squared distance to a prototype of the sample's class, over the global batch.

    Args:
        squared: distance of each sample's nearest place to each prototype, (batch, P), any float type.
        labels: (batch,) integers ≥ 0.
        class_of: class of each prototype, (P,) int64.
        check: as of `simclr.losses.batch.whole_batch`.

    Raises:
        ValueError: as `simclr.losses.batch.part_lengths`.

    Source: Chen et al., "This looks like that", NeurIPS 2019, section 2.2.
    """
    return _mean_of_smallest(squared, labels, class_of, True, check)


def separation_cost(squared: Tensor, labels: Tensor, class_of: Tensor, *, check: bool = True) -> Tensor:
    """As `cluster_cost`, of prototypes of all other classes, with a minus: to be minimised like any cost."""
    return -_mean_of_smallest(squared, labels, class_of, False, check)


def _mean_of_smallest(squared: Tensor, labels: Tensor, class_of: Tensor, own: bool, check: bool) -> Tensor:
    lengths = part_lengths(squared, labels, classes=int(class_of.max()) + 1 if check else None, check=check)
    rows = squared.to(torch.promote_types(squared.dtype, torch.float32))
    among = (labels[:, None] == class_of) == own
    return mean_over_processes(rows.masked_fill(~among, torch.inf).amin(1), lengths)
