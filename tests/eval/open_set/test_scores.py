import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax
from scipy.stats import weibull_min
from sklearn.neighbors import NearestNeighbors

from simclr.errors import InputError
from simclr.eval.open_set.metrics import auroc
from simclr.eval.open_set.scores import OPEN_SCORES, THRESHOLDS, held_out_scores, threshold
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


def test_a_held_out_sample_is_never_in_the_model_that_scores_it():
    x, y = clusters(per_class=7, classes=2)
    y = torch.where(torch.arange(len(y)) == 0, 9, y)  # a class of one sample
    seen = []

    def spy(train_x, train_y, test_x):
        assert not {tuple(r) for r in train_x.tolist()} & {tuple(r) for r in test_x.tolist()}
        assert 9 in train_y
        assert set(train_y.tolist()) == set(y.tolist())
        seen.append(len(test_x))
        return torch.zeros(len(test_x)), {"first": test_x[:, 0].double()}

    for folds, rounds in ((None, 7), (3, 3), (100, 7)):
        seen.clear()
        scores = held_out_scores(spy, x, y, folds)["first"]
        assert len(seen) == rounds
        assert sorted(scores.tolist()) == sorted(x[1:, 0].double().tolist())
    with pytest.raises(InputError, match="2 shots or more"):
        held_out_scores(spy, x[:3], torch.tensor([0, 1, 2]))


def test_the_quantile_is_numpys_and_the_weibull_finds_its_own_distribution():
    scores = torch.from_numpy(weibull_min.rvs(1.7, scale=3, size=4000, random_state=0))
    cut, how = threshold(scores, "quantile")
    assert cut == pytest.approx(np.quantile(scores, 0.95))
    assert how["samples"] == 4000
    cut, _ = threshold(scores, "weibull")
    assert cut == pytest.approx(weibull_min.isf(0.05, 1.7, scale=3), rel=0.02)
    # Beyond what a few scores show: a threshold for 1 % from 30 samples lies above them all, not among them.
    few = scores[:30]
    assert threshold(few, "weibull", rejected=0.001)[0] > float(few.max())
    assert threshold(few, "quantile", rejected=0.001)[0] <= float(few.max())


@pytest.mark.parametrize("kind", THRESHOLDS)
def test_thresholds_move_with_the_units_of_the_score(kind):
    scores = torch.from_numpy(weibull_min.rvs(1.2, size=60, random_state=1))
    cut = threshold(scores, kind)[0]
    assert threshold(1e4 * scores - 300, kind)[0] == pytest.approx(1e4 * cut - 300, rel=1e-4)


def test_equal_or_missing_scores():
    cut, how = threshold(torch.ones(20), "weibull")
    assert (cut, how["weibull"]) == (1.0, None)
    with pytest.raises(InputError, match="none"):
        threshold(torch.empty(0), "quantile")
    with pytest.raises(InputError, match="median"):
        threshold(torch.ones(3), "median")
