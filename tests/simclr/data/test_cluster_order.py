"""Batches of one cluster each: a pure function of the step, without replacement, shared out without gap or overlap."""

import pytest
import torch

from simclr.data.class_order import ClassOrder
from simclr.data.cluster_order import ClusterOrder
from simclr.data.order import SampleOrder

DRAWN = torch.Generator().manual_seed(0)
N, K = 400, 3
LABELS = torch.randint(-1, 20, (N,), generator=DRAWN)
CLUSTERS = torch.randint(K, (N,), generator=DRAWN).masked_fill(torch.arange(N) % 5 == 0, 0).masked_fill(LABELS < 0, -1)
IDS = (LABELS >= 0).nonzero()[:, 0]


def by_class(rank=0, world_size=1):
    return ClassOrder(LABELS, 4, 3, 5, rank, world_size)


def by_sample(rank=0, world_size=1):
    return SampleOrder(len(IDS), 12, 5, rank, world_size, IDS)


@pytest.mark.parametrize("kind", [by_class, by_sample])
def test_a_batch_is_from_one_cluster_and_clusters_come_as_often_as_their_samples_ask_for(kind):
    usual = kind()
    order = ClusterOrder(usual, CLUSTERS, K, since=2)
    s = order.steps_per_epoch
    assert (s, order.batch_size) == (usual.steps_per_epoch, 12)
    sequences = []
    for epoch in (2, 3, 7):
        for step in range(epoch * s, (epoch + 1) * s):
            ids = order.at(step)
            assert CLUSTERS[ids].tolist() == [order.cluster(step)] * 12
            assert len(ids.unique()) == 12
            assert order.occurrence(step).tolist() == [0] * 12
            if kind is by_class:
                assert sorted(LABELS[ids].unique(return_counts=True)[1].tolist()) == [3] * 4
        sequences.append([order.cluster(step) for step in range(epoch * s, (epoch + 1) * s)])
        steps = torch.tensor(sequences[-1]).bincount(minlength=K)
        assert bool(((steps - s * order.shown / order.shown.sum()).abs() < 1).all())
    assert sequences[0] != sequences[1] != sequences[2]


def test_within_a_clusters_own_epoch_nothing_is_taken_twice_and_epochs_follow_on_each_other():
    order = ClusterOrder(by_sample(), CLUSTERS, K, since=1)
    s = order.steps_per_epoch
    taken = {k: [] for k in range(K)}
    for step in range(s, 9 * s):
        taken[order.cluster(step)].append(order.at(step))
    for k, batches in taken.items():
        whole = int(CLUSTERS.eq(k).sum()) // 12  # batches of the cluster's own epoch
        for first in range(0, len(batches) // whole * whole, whole):
            assert len(torch.cat(batches[first : first + whole]).unique()) == 12 * whole
    again = ClusterOrder(by_sample(), CLUSTERS, K, since=3)
    assert any(not torch.equal(again.at(3 * s + i).sort()[0], order.at(s + i).sort()[0]) for i in range(s))


@pytest.mark.parametrize("kind", [by_class, by_sample])
@pytest.mark.parametrize("world_size", [2, 4])
def test_slices_of_all_processes_are_the_global_batch_however_it_is_walked(kind, world_size):
    whole = ClusterOrder(kind(), CLUSTERS, K)
    parts = [ClusterOrder(kind(rank, world_size), CLUSTERS, K) for rank in range(world_size)]
    for step in (70, 5, 40):
        assert torch.equal(torch.cat([part.at(step) for part in parts]), whole.at(step))
        assert torch.equal(torch.cat([part.occurrence(step) for part in parts]), whole.occurrence(step))


@pytest.mark.parametrize(
    ("counts", "shape"),
    [
        ({0: 5, 1: 5, 2: 5, 3: 5, 4: 2}, (4, 3, 20)),  # the usual batch; the class of two is not shown
        ({0: 5, 1: 5, 2: 5, 4: 2}, (3, 4, 15)),
        ({0: 5, 1: 3}, (2, 6, 8)),  # which have to be repeated
        ({0: 20, 1: 2}, None),
        ({}, None),
    ],
)
def test_a_cluster_of_few_classes_shows_more_samples_of_each(counts, shape):
    labels = torch.tensor([c for c, n in counts.items() for _ in range(n)] + [0, 1, 2, 3] * 6)
    clusters = (torch.arange(len(labels)) >= sum(counts.values())).long()
    order = ClusterOrder(ClassOrder(labels, 4, 3, 0), clusters, 2)
    assert order.shown.tolist() == [shape[2] if shape else 0, 24]
    steps = [step for step in range(60) if order.cluster(step) == 0]
    assert bool(steps) == bool(shape)
    for step in steps:
        found = labels[order.at(step)].unique(return_counts=True)[1].tolist()
        assert found == [shape[1]] * shape[0]
        assert bool(order.occurrence(step).any()) == (shape[1] > 5)
    if not shape:
        assert order.note is not None
        assert "1 cluster without a batch" in order.note


def test_a_cluster_of_fewer_samples_than_a_batch_has_none():
    clusters = torch.tensor([0] * 11 + [1] * 30)
    order = ClusterOrder(SampleOrder(41, 12, 0), clusters, 2)
    assert order.shown.tolist() == [0, 30]
    assert {order.cluster(step) for step in range(30)} == {1}
    assert order.note == "11 samples in no batch, 1 cluster without a batch"
    assert not ClusterOrder(SampleOrder(41, 12, 0), torch.arange(41) % 8, 8).shown.any()
