"""Whether clusters found without labels are the classes: normalised mutual information of k-means."""

from __future__ import annotations

import warnings

from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import normalized_mutual_info_score
from threadpoolctl import threadpool_limits
from torch import Tensor

from simclr.errors import InputError
from simclr.eval.metrics.judgement import Metric, check_labelled
from simclr.eval.subject.rows import unit_of

STARTS = 10


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
    centred = h.double() - h.double().mean(0)
    points = (centred / unit_of(centred)).float().cpu().numpy()
    # On the few samples that are looked at a second thread makes it up to three times as slow.
    with threadpool_limits(1), warnings.catch_warnings():
        # Fewer different samples than classes: fewer clusters, which NMI says.
        warnings.simplefilter("ignore", ConvergenceWarning)
        clusters = KMeans(classes, n_init=STARTS, random_state=seed).fit_predict(points)
    return float(normalized_mutual_info_score(labels.cpu().numpy(), clusters))


NMI = Metric(kmeans_nmi, "NMI", needs="features", family="structure", by="k-means")
