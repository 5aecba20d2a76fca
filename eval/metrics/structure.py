"""What a representation says about the classes before anything is fitted to labels: its neighbours and its clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score
from threadpoolctl import threadpool_limits
from torch import Tensor

from augment.addressed import permutation
from eval.metrics.accuracy import check_labelled
from eval.metrics.retrieval import retrieval
from eval.splits.split import Split
from simclr.errors import InputError

# Takes the place of the epoch in the order's address, as eval.splits.split does; no other file uses it.
STREAM = 2**23 + 5
MOST = 1_000
STARTS = 10
METRICS = ("r_at_1", "map_at_r", "nmi")
POLICY: dict[str, dict[str, Any]] = {
    "retrieval": {"features": "as they are, cosine", "samples": f"up to {MOST} test samples by the seed, all of them"},
    "k-means": {"features": "as they are", "starts": STARTS, "samples": "those of retrieval"},
}


class Structure(NamedTuple):
    """One measurement: by ``retrieval`` or ``k-means``, on which split's test samples, and what came out."""

    probe: str
    split: Split
    metrics: dict[str, float]
    selected: dict[str, Any]


def structure(features: Tensor, labels: Tensor, splits: Sequence[Split]) -> list[Structure]:
    """R@1, MAP@R and NMI of k-means on test samples, for the first split of each seed.

    Of a test part with more than ``MOST`` samples so many are drawn by the split's seed: they are queries and
    candidates alike. Nothing is said where they hold a single class, or no class twice.

    Args:
        features: (N, dim), any float type.
        labels: classes, (N,) int64, -1 = unlabelled.
        splits: whose ids are rows of ``features``; those of the first one's kind count.

    Returns:
        Two measurements for each seed, of splits without ``shots`` and ``share``: no label was learned from.
    """
    found = []
    first = {split.seed: split for split in reversed(splits) if split.name == splits[0].name}
    for split in reversed(first.values()):
        seed = split.seed or 0
        rows = split.test[permutation(seed, STREAM, len(split.test), "cpu")[:MOST]].sort().values
        h, y = features[rows], labels[rows]
        counts = y.bincount()
        if int((counts > 0).sum()) < 2 or int(counts.max()) < 2:
            continue
        whole = replace(split, shots=None, share=None)
        drawn = {"samples": len(rows), "of": len(split.test)}
        found.append(Structure("retrieval", whole, retrieval(h, y), drawn))
        # On so few samples a second thread makes k-means up to three times as slow.
        with threadpool_limits(1):
            nmi = kmeans_nmi(h, y, seed)
        found.append(Structure("k-means", whole, {"nmi": nmi}, drawn))
    return found


def kmeans_nmi(h: Tensor, labels: Tensor, seed: int = 0) -> float:
    """NMI (arithmetic mean of the entropies) of the classes and k-means with as many clusters as classes, in [0, 1].

    k-means is scikit-learn's with k-means++ and ``STARTS`` starts, on ``h`` as it is given.

    Args:
        h: representations, (n, dim), any float type.
        labels: classes, (n,) int64, none negative.
        seed: of k-means.

    Raises:
        InputError: if the two do not fit together, a label is negative, a feature is NaN or infinite, or
            there are fewer than two classes.
    """
    check_labelled(h, labels)
    classes = len(labels.unique())
    if classes < 2:
        raise InputError("clustering needs samples of at least 2 classes, got 1.")
    clusters = KMeans(classes, n_init=STARTS, random_state=seed).fit_predict(h.float().cpu().numpy())
    return float(normalized_mutual_info_score(labels.cpu().numpy(), clusters))
