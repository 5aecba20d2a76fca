"""Kinds without a label: groups that lie apart are found, and each sample is with its nearest centre."""

import torch
from scipy.cluster.vq import kmeans2

from simclr.train.clusters import clusters


def groups(seed=0):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    kinds = torch.randint(0, 4, (200,), generator=generator)
    return centres[kinds] + torch.randn(200, 2, generator=generator), kinds


def test_groups_that_lie_apart_are_found():
    x, kinds = groups()
    found = clusters(x, x, 4)
    pairs = {(int(a), int(b)) for a, b in zip(found, kinds)}
    assert len(pairs) == 4
    assert torch.equal(found, clusters(x, x, 4))


def test_the_centres_are_where_lloyds_algorithm_of_scipy_stays():
    x, _ = groups(1)
    found = clusters(x, x, 7)
    centres = torch.stack([x[found == k].mean(0) for k in range(7)])
    again, nearest = kmeans2(x.numpy(), centres.numpy(), iter=1, minit="matrix")
    assert torch.allclose(torch.from_numpy(again), centres, atol=0.2)
    assert (torch.from_numpy(nearest) == found).float().mean() > 0.97


def test_what_is_sorted_may_be_other_samples():
    x, _ = groups()
    some = clusters(x[:50], x, 4)
    assert torch.equal(some, clusters(x, x, 4)[:50])
