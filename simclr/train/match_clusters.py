"""Clusters found anew, under the names that they had before."""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def match_clusters(found: Tensor, former: Tensor, count: int) -> Tensor:
    """``found`` with its clusters renamed, one to one, so that as many samples as possible keep their former cluster.

    Args:
        found: cluster of each sample, (n,) int64, 0..count-1; which number a cluster has means nothing.
        former: likewise, as they were called before.
        count: how many clusters there are.

    Source: Kuhn, "The Hungarian method for the assignment problem", 1955.
    """
    overlap = torch.bincount(found * count + former, minlength=count * count).view(count, count)
    names = linear_sum_assignment(overlap.numpy(), maximize=True)[1]  # of found cluster i the name is names[i]
    return torch.from_numpy(names)[found]
