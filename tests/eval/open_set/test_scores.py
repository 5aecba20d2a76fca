import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax
from sklearn.neighbors import NearestNeighbors

from simclr.eval.open_set.metrics import auroc
from simclr.eval.open_set.scores import OPEN_SCORES
from simclr.eval.probes.registry import PROBES


def clusters(per_class=12, classes=4, dim=8, seed=0):
    """Known classes far apart, and one more class nowhere near them."""
    g = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes + 1, dim, generator=g) * 6
    y = torch.arange(per_class * (classes + 1)) % (classes + 1)
    return centres[y] + torch.randn(len(y), dim, generator=g), y


@pytest.mark.parametrize("name", OPEN_SCORES)
def test_a_far_class_is_more_unknown(name):
    x, y = clusters()
    train = torch.arange(len(y)) % 2 == 0
    known = y < 4
    classes, found = OPEN_SCORES[name](x[train & known], y[train & known], x[~train])
    for score in found.values():
        assert auroc(score, ~known[~train]) > (0.6 if name == "logits" else 0.95)
        assert score.dtype == torch.float64
    assert bool((classes == y[~train])[known[~train]].all())


def test_the_logit_scores_are_their_formulas():
    x, y = clusters()
    logits = PROBES["logistic"].fit(x[:40], y[:40], x[40:]).scores.double().numpy()
    _, found = OPEN_SCORES["logits"](x[:40], y[:40], x[40:])
    np.testing.assert_allclose(found["energy"], -logsumexp(logits, 1), rtol=1e-9)
    np.testing.assert_allclose(found["max softmax"], 1 - softmax(logits, 1).max(1), atol=1e-12)


def test_the_neighbour_score_is_scikit_learns_distance():
    x, y = clusters()
    unit = torch.nn.functional.normalize(x.double(), dim=1).numpy()
    distance, _ = NearestNeighbors(n_neighbors=5).fit(unit[:40]).kneighbors(unit[40:])
    _, score = OPEN_SCORES["knn"](x[:40], y[:40], x[40:])
    np.testing.assert_allclose(score["knn"], distance[:, -1], rtol=1e-6)


@pytest.mark.parametrize("name", ["prototype", "mahalanobis", "knn"])
def test_distances_need_no_second_class(name):
    x, y = clusters(classes=1)
    known = y == 0
    classes, found = OPEN_SCORES[name](x[known][:6], y[known][:6], torch.cat([x[known][6:], x[~known]]))
    assert set(classes.tolist()) == {0}
    assert auroc(found[name], torch.arange(18) >= 6) > 0.9
