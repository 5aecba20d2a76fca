"""The online judges of training runs: which samples they look at, and what they say."""

from __future__ import annotations

import torch
from torch import Tensor

from simclr.augment.addressed import permutation
from simclr.eval.probes.knn import TEMPERATURE, K, knn, knn_accuracy
from simclr.eval.probes.prediction import fit_standardisation
from simclr.eval.splits.validation import by_class
from simclr.eval.streams import Stream

SEED = 0
MONITORED = 5_000


def knn_monitor(h: Tensor, labels: Tensor, k: int = K, temperature: float = TEMPERATURE) -> float:
    """Leave-one-out accuracy of the weighted cosine kNN on representations centred on their own mean, in [0, 1].

    Args:
        h: representations of the monitor samples, (n, dim), any float type and device, n >= 2.
        labels: their classes, (n,) int64, none negative.
        k: neighbours; clamped to n - 1.
        temperature: of the weights exp(cosine / temperature).
    """
    return knn_accuracy(fit_standardisation(h, scale=False)(h), labels, k, temperature)


def held_out_monitor(learned: Tensor, classes: Tensor, held_out: Tensor, truth: Tensor) -> dict[str, float]:
    """How well embeddings of labelled samples that were learned from classify those that were not.

    Args:
        learned: embeddings, (n, dim), any float type.
        classes: theirs, (n,) int64, two or more of them.
        held_out: embeddings, (m, dim), m >= 1.
        truth: their classes, (m,) int64.

    Returns:
        ``knn``: accuracy of the weighted cosine kNN; ``recall_at_1``: share whose nearest one by Euclid is of their
        class; both in [0, 1].
    """
    nearest = classes[torch.cdist(held_out.double(), learned.double()).argmin(1)]
    right = {"knn": knn(learned, classes, held_out).classes, "recall_at_1": nearest}
    return {name: float((found == truth).double().mean()) for name, found in right.items()}


def monitor_ids(labels: Tensor, fraction: float = 0.1, per_class_min: int = 2) -> Tensor:
    """Labelled samples that an online kNN may look at during pretraining; evaluation leaves them out of every split.

    Of each class ``round(fraction * n)``, at least ``per_class_min``, but none of a class that would keep fewer than
    two samples. Not a function of the run's seed, so that runs can be compared; at most about ``MONITORED`` samples.

    Args:
        labels: class of each sample, (N,) int64, -1 = unlabelled.
        fraction: share of each class, 0..1.
        per_class_min: least number of samples of a class.

    Returns:
        ids, ascending, (m,) int64; empty where no class is large enough.
    """
    order = permutation(SEED, Stream.MONITOR, len(labels), "cpu")
    known = order[labels[order] >= 0]
    fraction = min(fraction, MONITORED / max(len(known), 1))
    chosen = []
    for members in by_class(known, labels).values():
        take = max(per_class_min, round(fraction * len(members)))
        if len(members) - take >= 2:
            chosen.append(members[:take])
    return torch.cat(chosen).sort().values if chosen else torch.empty(0, dtype=torch.int64)
