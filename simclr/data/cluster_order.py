"""Batches of which each lies in one cluster of the samples: a pure function of (seed, clusters, global step)."""

from __future__ import annotations

import torch
from torch import Tensor

from simclr.augment.addressed import Address
from simclr.data.class_order import ClassOrder
from simclr.data.order import SampleOrder


class ClusterOrder:
    """An order of samples as another one, with the samples of a step all from one cluster; as many steps.

    Each cluster has an order of its own over its samples, of the kind of the given one: without replacement, in batches
    of the same size. It takes part in the steps by the number of samples that it shows, in a shuffled sequence.

    Of a batch of P classes with K samples, a cluster shows those of its classes of which it has K samples or more; the
    others wait for other clusters. With fewer than P such classes its batches hold as many classes as divide the batch
    evenly, with more samples of each. With fewer than two, or, where batches are drawn from all samples, with fewer
    samples than a batch, it has no batches.

    Args:
        order: of the run, in this process.
        clusters: that of each sample, (N,) int64; samples with a negative one are left out.
        count: how many clusters there are.
        since: the epoch for which the clusters were found.

    Attributes:
        shown: samples that the batches of each cluster are drawn from, (count,) int64; 0 where it has no batches.
        sizes: samples of each cluster, (count,) int64.
        repeated: samples of each class that has fewer than its batches hold, by class, over all clusters.
        steps_per_epoch, batch_size, seed, rank, world_size: of the given order.
    """

    def __init__(self, order: SampleOrder | ClassOrder, clusters: Tensor, count: int, since: int = 0) -> None:
        self.steps_per_epoch, self.batch_size, self.seed = order.steps_per_epoch, order.batch_size, order.seed
        self.rank, self.world_size, self._since = order.rank, order.world_size, since
        clusters = clusters.cpu()
        self.sizes = clusters[clusters >= 0].bincount(minlength=count)
        zero = torch.zeros(1, dtype=torch.int64)
        # Other batches after each clustering, though each begins at its own step 0.
        seed = int(Address(order.seed, since, zero, zero).words({"clusters": 1})[0, 0])
        found = [_within(order, (clusters == k).nonzero()[:, 0], seed) for k in range(count)]
        self._orders = [own for own, _ in found]
        self.shown = torch.tensor([shown for _, shown in found])
        classed = [own for own in self._orders if isinstance(own, ClassOrder)]
        self.repeated = {c: n for own in classed for c, n in own.repeated.items()}
        self._sequences: dict[int, Tensor] = {}

    @property
    def note(self) -> str | None:
        """What is not shown, and what is repeated, in a line; None where there is neither."""
        idle = int((self.shown == 0).sum())
        missing = int(self.sizes.sum() - self.shown.sum())
        said = [f"{missing:,} samples in no batch"] if missing else []
        said += [f"{idle} {'cluster' if idle == 1 else 'clusters'} without a batch"] if idle else []
        said += [f"{len(self.repeated)} classes with repeated samples"] if self.repeated else []
        return ", ".join(said) or None

    def epoch(self, step: int) -> int:
        """The epoch that global step ``step`` belongs to, from 0."""
        return step // self.steps_per_epoch

    def at(self, step: int) -> Tensor:
        """Ids that this process takes at a global step of epoch ``since`` or later: (b,) int64 on the CPU."""
        own, own_step = self._place(step)
        return own.at(own_step)

    def occurrence(self, step: int) -> Tensor:
        """How often each of these ids stands earlier in the global batch, of the shape of ``at(step)``."""
        own, own_step = self._place(step)
        return own.occurrence(own_step) if isinstance(own, ClassOrder) else torch.zeros_like(own.at(own_step))

    def cluster(self, step: int) -> int:
        """That of the samples of a global step."""
        epoch, i = divmod(step, self.steps_per_epoch)
        return int(self._sequence(epoch)[i])

    def _place(self, step: int) -> tuple[SampleOrder | ClassOrder, int]:
        """The order of the step's cluster, and how many steps it had since the clusters were found."""
        epoch, i = divmod(step, self.steps_per_epoch)
        k = self.cluster(step)
        before = [*map(self._sequence, range(self._since, epoch)), self._sequence(epoch)[:i]]
        own = self._orders[k]
        assert own is not None
        return own, sum(int((part == k).sum()) for part in before)

    def _sequence(self, epoch: int) -> Tensor:
        """Clusters of the steps of an epoch, (steps,): to within a step, each as often as its samples ask for."""
        if epoch not in self._sequences:
            steps = torch.arange(self.steps_per_epoch)
            zeros = torch.zeros_like(steps)
            drawn = Address(self.seed, epoch, steps, zeros).uniform("order of clusters", 2).double()
            reached = self.shown.cumsum(0)
            places = ((steps + drawn[0, 0]) / len(steps) * reached[-1]).floor().long()
            taken = torch.searchsorted(reached, places.clamp_max(reached[-1] - 1), right=True)
            self._sequences[epoch] = taken[drawn[:, 1].argsort(stable=True)]
        return self._sequences[epoch]


Orders = SampleOrder | ClassOrder | ClusterOrder
"""How fine-tuning may take samples."""


def _within(order: SampleOrder | ClassOrder, members: Tensor, seed: int) -> tuple[SampleOrder | ClassOrder | None, int]:
    """The order of a cluster, and how many samples it shows: None and 0 where they make no batch.

    Args:
        order: of all samples.
        members: ids of the cluster, (n,) int64 ascending.
        seed: of its order.
    """
    batch, shared = order.batch_size, (seed, order.rank, order.world_size)
    if isinstance(order, SampleOrder):
        return (
            (SampleOrder(len(members), batch, *shared, members), len(members)) if len(members) >= batch else (None, 0)
        )
    labels = order.labels[members]
    enough = labels[labels >= 0].bincount() >= order.samples_per_class
    shown = members[(labels >= 0) & enough[labels]]
    most = min(int(enough.sum()), order.classes_per_batch)
    classes = next((p for p in range(most, 1, -1) if batch % p == 0), None)
    if classes is None:
        return None, 0
    return ClassOrder(order.labels, classes, batch // classes, *shared, shown), len(shown)
