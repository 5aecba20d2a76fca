"""Divide and Conquer: clusters of the samples, and for each one a learner that trains its slice of the embedding."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
import torch.distributed as dist
import torch.nn.functional as F
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from simclr.augment.addressed import Address
from simclr.augment.checks import integer, number
from simclr.data.cluster_order import ClusterOrder, Orders
from simclr.errors import DivergenceError, InputError
from simclr.losses.objectives import Objective, ObjectiveValue
from simclr.losses.term import Seen
from simclr.train.match_clusters import match_clusters
from simclr.train.tuned import Learned, Tuned

_ROWS_AT_ONCE, _STARTS = 256, 5


class DivideAndConquer(Tuned):
    """An encoder whose embedding is divided among learners, each for one cluster of the samples; joined at the end.

    Every few epochs k-means divides the samples by their whole embeddings, without augmentation; clusters keep the name
    of the former one that they share most samples with. A batch is from one cluster, and its objective is computed of
    the slice of that cluster's learner alone, of length 1 where embeddings are. Each learner has an instance of the
    objective (a classifier, centres, a learned boundary of its own), which rests in the steps of the others. In the
    last epochs, batches and objective are the usual ones, of the whole embedding, with one more instance. With one
    learner all is as without this system.

    Args:
        encoder: with ``feature_dim``; its output is divided.
        objective: of the whole embedding.
        samples: how many the source has.
        seed: of the run.
        objective_of: an objective like that one for embeddings of another width.
        learners: K, how many clusters and slices; a divisor of ``feature_dim``.
        every: M, epochs from one clustering to the next.
        joined: the share of the epochs, at the end, in which the whole embedding learns; at least one.

    Source: Sanakoyeu et al., "Divide and conquer the embedding space for metric learning", CVPR 2019.
    """

    clusters: Tensor
    since: Tensor
    moved: Tensor
    divided: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        objective: Objective,
        *,
        samples: int,
        seed: int,
        objective_of: Callable[[int], Objective],
        learners: int = 4,
        every: int = 2,
        joined: float = 0.5,
    ) -> None:
        super().__init__(encoder, objective)
        width: int = encoder.feature_dim  # type: ignore[assignment]
        if width % integer("learners", learners, 1):
            raise ValueError(f"learners is {learners}, but must divide the {width} numbers of an embedding.")
        self.every, self.joined = integer("every", every, 1), number("joined", joined, 0.0, 1.0)
        self.count, self.seed = learners, seed
        self.acts_between_epochs = learners > 1
        self.learners = nn.ModuleList(objective_of(width // learners) for _ in range(learners if learners > 1 else 0))
        self.register_buffer("clusters", torch.full((samples,), -1))
        self.register_buffer("since", torch.tensor(0))
        self.register_buffer("moved", torch.tensor(0.0))
        self.register_buffer("divided", torch.tensor(False))
        self._resting: list[nn.Parameter] = []
        self._numbers: dict[str, Tensor] = {}
        self._notes: list[str] = []

    def forward(
        self, x: Tensor, labels: Tensor, ids: Tensor | None = None, unlabelled: Tensor | None = None
    ) -> tuple[Tensor, ObjectiveValue]:
        """Whole embeddings, and the objective of the slice whose learner the batch is for."""
        learner = int(self.clusters[ids[0]]) if ids is not None and self.divided else None
        acting = self.objective if learner is None else self.learners[learner]
        self._resting = [
            p for part in (self.objective, *self.learners) if part is not acting for p in part.parameters()
        ]
        e = self.encoder(x)
        with torch.autocast(x.device.type, enabled=False):
            rows = e.to(torch.promote_types(e.dtype, torch.float32))
            if learner is not None:
                rows = rows.chunk(self.count, dim=1)[learner]
                rows = F.normalize(rows, dim=1) if getattr(self.encoder, "normalize", False) else rows
            value: ObjectiveValue = acting(rows, labels, seen=Seen(x, self.encoder, unlabelled), check=False)
            # A process waits for the gradient of every parameter.
            total = value.total + sum(0 * p.sum() for p in self._resting)
            return e, value._replace(total=total, metrics={**value.metrics, **self._numbers})

    def resting(self) -> Iterable[nn.Parameter]:
        """What the learners that a step was not for have of their own."""
        return self._resting

    def begin_epoch(self, epoch: int, learned: Learned) -> None:
        """Divides the samples anew if it is time, or joins the learners.

        Raises:
            InputError: fewer samples than learners.
            DivergenceError: embeddings that hold NaN or infinity.
        """
        if self.count == 1:
            return
        if epoch >= learned.epochs - max(1, round(self.joined * learned.epochs)):
            self._notes += [f"epoch {epoch}: the learners are joined"] if self.divided else []
            self.divided.fill_(False)
        elif epoch % self.every == 0:
            self._divide(epoch, learned)

    def order_of(self, order: Orders) -> Orders:
        """Batches of one cluster each; the usual ones when learners are joined, or no cluster has enough samples."""
        self._numbers = {}
        if not self.divided:
            return order
        assert not isinstance(order, ClusterOrder)
        found = ClusterOrder(order, self.clusters, self.count, int(self.since))
        if not found.shown.any():
            self._notes.append("no cluster fills a batch: the whole embedding learns")
            self.divided.fill_(False)
            return order
        shares = found.sizes / found.sizes.sum()
        self._numbers = {
            "divide/moved": self.moved,
            "divide/smallest": shares.min(),
            "divide/largest": shares.max(),
            "divide/shown": found.shown.sum() / found.sizes.sum(),
        }
        if self._notes:
            self._notes[-1] += f"; {found.note}" if found.note else ""
        return found

    def notes(self) -> list[str]:
        """Sizes of clusters, and how many samples moved."""
        said, self._notes = self._notes, []
        return said

    def _divide(self, epoch: int, learned: Learned) -> None:
        """Finds the clusters, on the main process for all: a rounding would make them differ."""
        n = len(learned.ids)
        if n < self.count:
            raise InputError(f"system.options.learners is {self.count}, but there are {n} samples: set {n} or less")
        if not dist.is_initialized() or dist.get_rank() == 0:
            self.moved.fill_(self._find(epoch, learned))
        if dist.is_initialized():
            for state in (self.clusters, self.moved):
                dist.broadcast(state, 0)
        if self.moved.isnan():
            raise DivergenceError("embeddings hold NaN or infinity, and cannot be divided: lower train.lr")
        self.since.fill_(epoch)
        self.divided.fill_(True)
        sizes = self.clusters[learned.ids].bincount(minlength=self.count).tolist()
        change = f", {100 * float(self.moved):.1f} % of samples in another one than before" if epoch else ""
        self._notes.append(f"epoch {epoch}: clusters of {', '.join(f'{size:,}' for size in sizes)} samples{change}")

    def _find(self, epoch: int, learned: Learned) -> float:
        """New clusters; the share of samples that changed cluster, all in the first ones, NaN where there are none."""
        e = self._embeddings(learned)
        if not e.isfinite().all():
            return math.nan
        found, former = k_means(e, self.count, _seed(self.seed, epoch)), self.clusters[learned.ids].cpu()
        known = bool((former >= 0).all())
        found = match_clusters(found, former, self.count) if known else found
        self.clusters[learned.ids] = found.to(self.clusters.device)
        return float((found != former).float().mean())

    @torch.no_grad()
    def _embeddings(self, learned: Learned) -> Tensor:
        """Of all samples that are learned from, without augmentation, (n, dim) float32 on the CPU."""
        training = self.encoder.training
        self.encoder.eval()
        parts = [self.encoder(learned.inputs(ids)).float().cpu() for ids in learned.ids.split(_ROWS_AT_ONCE)]
        self.encoder.train(training)
        return torch.cat(parts)


def k_means(x: Tensor, count: int, seed: int) -> Tensor:
    """Cluster of each row by scikit-learn's k-means, (n,) int64, 0..count-1: on one thread, for the order of sums.

    Args:
        x: (n, dim) float, n ≥ ``count``.
        count: of the clusters.
        seed: 0 to 2^32 - 1.
    """
    with threadpool_limits(1):
        found = KMeans(count, n_init=_STARTS, random_state=seed).fit_predict(x.numpy())
    return torch.from_numpy(found).to(torch.int64)


def _seed(seed: int, epoch: int) -> int:
    zero = torch.zeros(1, dtype=torch.int64)
    return int(Address(seed, epoch, zero, zero).words({"k-means": 1})[0, 0])
