import numpy as np
import pytest
import torch

from simclr.eval.open_set.conformal import conformal_p_values, guarantee, least_units
from simclr.eval.open_set.scores import OPEN_SCORES
from simclr.eval.splits.apart import SINGLE, Apart
from simclr.eval.splits.validation import folds_of
from tests.eval.open_set.test_scores import clusters

UNLIKE = Apart(None, "sample", False, "test pixels lie among training pixels")


def in_groups(groups):
    return Apart(torch.as_tensor(groups), "area", False, "areas lie apart")


def test_p_values_are_counted_by_hand():
    x, y = clusters(per_class=12, classes=3)
    train, test = slice(0, 36), slice(36, 48)
    found = conformal_p_values(OPEN_SCORES["knn"], x[train], y[train], x[test], SINGLE)["knn"]
    fold = folds_of(y[train], 5)
    above = np.zeros(12)
    for part in range(5):
        left = fold == part
        held = OPEN_SCORES["knn"](x[train][~left], y[train][~left], x[train][left])[1]["knn"].numpy()
        value = OPEN_SCORES["knn"](x[train][~left], y[train][~left], x[test])[1]["knn"].numpy()
        above += [(held >= v).sum() for v in value]
    np.testing.assert_allclose(found, (1 + above) / 37)


def test_groups_count_as_one_each():
    x, y = clusters(per_class=40, classes=1)
    groups = torch.arange(80) // 4
    test = x[:5] + 1
    found = conformal_p_values(OPEN_SCORES["prototype"], x, y, test, in_groups(groups))["prototype"]
    above = np.zeros(5)
    for part in range(20):
        left = groups == part
        held = OPEN_SCORES["prototype"](x[~left], y[~left], x[left])[1]["prototype"].numpy()
        value = OPEN_SCORES["prototype"](x[~left], y[~left], test)[1]["prototype"].numpy()
        above += [(held >= v).mean() for v in value]
    np.testing.assert_allclose(found, (1 + above) / 21)


def test_too_few_groups_reject_nothing_and_say_so():
    x, y = clusters()
    apart = in_groups(torch.arange(len(y)) % 18)
    p = conformal_p_values(OPEN_SCORES["prototype"], x, y, 1e3 + x, apart)["prototype"]
    assert p.tolist() == [1.0] * len(y)
    assert guarantee(apart, len(y)).startswith("nothing: of 18 areas")
    assert "takes 19" in guarantee(apart, len(y))
    assert (least_units(0.05), least_units(0.1)) == (19, 9)


def test_what_is_promised():
    assert guarantee(UNLIKE, 100) == "nothing: test pixels lie among training pixels, and samples are not exchangeable"
    assert "areas are not exchangeable" in guarantee(in_groups(torch.arange(30)), 30)
    # 2·0.05 + 2·(4/5) / (100/5 + 1)
    assert guarantee(SINGLE, 100).startswith("at most 18 % of known samples")
    assert "takes 19 samples" in guarantee(SINGLE, 18)


@pytest.mark.slow
def test_the_guarantee_holds_where_samples_are_exchangeable():
    rejected = []
    for seed in range(60):
        x, y = clusters(per_class=60, classes=3, seed=seed)
        x, y = x[y < 3], y[y < 3]
        p = conformal_p_values(OPEN_SCORES["mahalanobis"], x[:45], y[:45], x[45:], SINGLE)["mahalanobis"]
        rejected.append(float((p <= 0.05).double().mean()))
    assert 0.01 < np.mean(rejected) < 0.07
