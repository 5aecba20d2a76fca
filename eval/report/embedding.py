"""A map of a representation: t-SNE of some samples, for eyes and not for numbers."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch import Tensor

from simclr.augment.addressed import permutation
from simclr.eval.streams import Stream

SAMPLES = 1_500
COMPONENTS = 50
PERPLEXITY = 30.0
# Half of scikit-learn's 1,000: on Indian Pines half of the time, and the same trustworthiness of 0.9995 (12 neighbours)
# and share of nearest points that are of the same class, 99.05 %.
ITERATIONS = 500


def choose_for_map(labels: Tensor, most: int = SAMPLES) -> Tensor:
    """Up to ``most`` labelled samples at random, the same ones at every call.

    Args:
        labels: (N,) int64, -1 = unlabelled.
        most: how many.

    Returns:
        ids, ascending, (n,) int64.
    """
    order = permutation(0, Stream.EMBEDDING, len(labels), "cpu")
    return order[labels[order] >= 0][:most].sort().values


def tsne(features: Tensor, seed: int = 0) -> np.ndarray:
    """Two coordinates for each row, by t-SNE of the first ``COMPONENTS`` principal components.

    Distances between far points mean little, and neither does the size of a cluster.

    Args:
        features: (n, dim) float, n at least 4.
        seed: of the solver.

    Returns:
        (n, 2) float32.

    Source: van der Maaten & Hinton, "Visualizing data using t-SNE", JMLR 2008.
    """
    x = features.to(torch.float32).numpy()
    n, dim = x.shape
    if min(n, dim) > COMPONENTS:
        x = PCA(COMPONENTS, random_state=seed, svd_solver="randomized").fit_transform(x)
    perplexity = min(PERPLEXITY, (n - 1) / 3)
    init = "pca" if x.shape[1] >= 2 else "random"
    return TSNE(2, perplexity=perplexity, init=init, max_iter=ITERATIONS, random_state=seed).fit_transform(x)
