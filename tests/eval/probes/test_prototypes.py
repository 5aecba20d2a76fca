import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf
from sklearn.covariance import ledoit_wolf as sklearn_ledoit_wolf
from sklearn.neighbors import NearestCentroid

from simclr.errors import InputError
from simclr.eval.probes.prototype_probe import nearest_prototype
from simclr.eval.probes.prototypes import (
    DISTANCES,
    class_means,
    ledoit_wolf,
    prototype_distances,
)
from simclr.eval.probes.registry import PROBES


def blobs(n=40, m=30, dim=12, ways=4, seed=0):
    g = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % ways
    centres = torch.randn(ways, dim, generator=g) * 2
    mix = torch.randn(dim, dim, generator=g)
    x = centres[labels] + torch.randn(n, dim, generator=g) @ mix
    query = centres[torch.arange(m) % ways] + torch.randn(m, dim, generator=g) @ mix
    return x, labels, query


def test_euclidean_is_scikit_learns_nearest_centroid():
    x, labels, query = blobs(n=37)
    names = torch.tensor([3, 5, 8, 13])[labels]
    reference = NearestCentroid().fit(x.numpy(), names.numpy()).predict(query.numpy())
    assert nearest_prototype(x, names, query).classes.tolist() == reference.tolist()


def test_distances_are_scipys():
    x, labels, query = (t.numpy() for t in blobs())
    x, query = x.astype(np.float64), query.astype(np.float64)
    means = np.stack([x[labels == c].mean(0) for c in range(4)])
    centre = x.mean(0)
    residuals = x - means[labels]
    precision = np.linalg.inv(LedoitWolf(assume_centered=True).fit(residuals).covariance_)
    expected = {
        "euclidean": cdist(query, means, "sqeuclidean"),
        "standardized": cdist(query, means, "seuclidean", V=x.var(0, ddof=1)) ** 2,
        "cosine": cdist(query - centre, means - centre, "cosine"),
        "mahalanobis": cdist(query, means, "mahalanobis", VI=precision) ** 2,
    }
    for distance in DISTANCES:
        found = prototype_distances(*(torch.from_numpy(t) for t in (x, labels, query)), 4, distance)
        np.testing.assert_allclose(found, expected[distance], rtol=1e-9, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(6, 60), dim=st.integers(2, 40), seed=st.integers(0, 10**6))
def test_mahalanobis_on_both_sides_of_n_equals_dim(n, dim, seed):
    x, labels, query = blobs(n=n, m=7, dim=dim, ways=3, seed=seed)
    x, query = x.double(), query.double()
    means = class_means(x, labels, 3)
    residuals = (x - means[labels]).numpy()
    covariance, shrinkage = sklearn_ledoit_wolf(residuals, assume_centered=True)
    assert float(ledoit_wolf(torch.from_numpy(residuals))) == pytest.approx(shrinkage, abs=1e-9)
    if shrinkage < 1e-3:
        return
    expected = cdist(query, means, "mahalanobis", VI=np.linalg.inv(covariance)) ** 2
    found = prototype_distances(x, labels, query, 3, "mahalanobis")
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_batch_of_episodes_is_each_of_them_alone(distance):
    parts = [blobs(n=15, m=6, dim=20, ways=3, seed=seed) for seed in range(5)]
    x, labels, query = (torch.stack([p[i] for p in parts]) for i in range(3))
    together = prototype_distances(x, labels, query, 3, distance)
    for i, part in enumerate(parts):
        torch.testing.assert_close(together[i], prototype_distances(*part, 3, distance), rtol=1e-5, atol=1e-5)


def test_one_sample_a_class_has_no_covariance():
    x, labels, query = blobs(n=4)
    torch.testing.assert_close(
        prototype_distances(x, labels, query, 4, "mahalanobis"), prototype_distances(x, labels, query, 4, "euclidean")
    )
    assert nearest_prototype(x, labels, query, "mahalanobis").selected["shrinkage"] == 1.0


@pytest.mark.parametrize("distance", DISTANCES)
def test_degenerate_features_stay_finite(distance):
    x = torch.zeros(6, 5)
    x[3:, 0] = 1.0
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    assert nearest_prototype(x, labels, x, distance).classes.tolist() == labels.tolist()
    two = torch.tensor([[0.0, 0.0], [0.0, 1.0], [5.0, 0.0]])
    assert prototype_distances(two, torch.tensor([0, 0, 1]), two, 2, distance).isfinite().all()


def test_bad_input_and_names():
    x, labels, query = blobs()
    with pytest.raises(InputError, match="manhattan"):
        prototype_distances(x, labels, query, 4, "manhattan")
    with pytest.raises(InputError, match="2 classes"):
        nearest_prototype(x, torch.zeros_like(labels), query)
    assert [name for name in PROBES if "prototype" in name] == [f"prototype {d}" for d in DISTANCES]
    found = PROBES["prototype cosine"].fit(x, labels, query)
    assert torch.equal(found.scores.argmax(1), found.classes)
