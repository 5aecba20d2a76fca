import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf

from simclr.eval.probes.prototype_probe import nearest_prototype
from simclr.eval.probes.prototypes import DISTANCES


@pytest.mark.parametrize("dim", [4, 60], ids=["long", "wide"])
@pytest.mark.parametrize("offset", [0.0, 1e7])
def test_distances_are_scipys(dim, offset):
    rng = np.random.default_rng(0)
    y = np.arange(50) % 3
    x = rng.normal(size=(50, dim)) + 2 * rng.normal(size=(3, dim))[y] + offset
    query = rng.normal(size=(9, dim)) + offset
    means = np.stack([x[y == c].mean(0) for c in range(3)])
    covariance = LedoitWolf(assume_centered=True).fit(x - means[y]).covariance_
    expected = {
        "euclidean": cdist(query, means, "sqeuclidean"),
        "standardized": cdist(query, means, "seuclidean", V=x.var(0, ddof=1)) ** 2,
        "cosine": cdist(query - x.mean(0), means - x.mean(0), "cosine"),
        "mahalanobis": cdist(query, means, "mahalanobis", VI=np.linalg.inv(covariance)) ** 2,
    }
    for distance in DISTANCES:
        found = nearest_prototype(torch.tensor(x), torch.tensor(y), torch.tensor(query), distance)
        np.testing.assert_allclose(-found.scores, expected[distance], rtol=1e-6, atol=1e-6)
        assert found.classes.tolist() == expected[distance].argmin(1).tolist()
