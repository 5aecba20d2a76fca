import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifier, RidgeClassifierCV
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from simclr.errors import InputError
from simclr.eval.probes.registry import PROBES, check_probes, fit_probe
from simclr.eval.probes.ridge_probe import ALPHAS, ridge


def data(n, dim, classes=4, seed=0, spread=0.6):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    x = rng.normal(size=(n, dim)) * np.linspace(0.2, 5, dim) + spread * rng.normal(size=(classes, dim))[y]
    return x, y


@pytest.mark.parametrize(("n", "dim", "classes"), [(200, 10, 4), (60, 10, 2), (40, 90, 5)])
def test_ridge_equals_scikit_learns(n, dim, classes):
    x, y = data(n, dim, classes)
    test, _ = data(500, dim, classes, seed=1)
    scaler = StandardScaler().fit(x)
    model = RidgeClassifierCV(alphas=ALPHAS).fit(scaler.transform(x), y)
    found = ridge(torch.tensor(x), torch.tensor(y), torch.tensor(test))
    assert found.selected["alpha"] == pytest.approx(model.alpha_)
    assert found.classes.tolist() == model.predict(scaler.transform(test)).tolist()
    expected = model.decision_function(scaler.transform(test))
    np.testing.assert_allclose(found.scores[:, -1] if classes == 2 else found.scores, expected, atol=1e-8)


@pytest.mark.parametrize("classes", [2, 4])
def test_ridge_on_a_validation_part_equals_scikit_learns_grid_search(classes):
    x, y = data(90, 30, classes, spread=0.8)
    test, _ = data(200, 30, classes, seed=1)
    rows = np.arange(60, 90)
    model = make_pipeline(StandardScaler(), RidgeClassifier())
    grid = GridSearchCV(
        model,
        {"ridgeclassifier__alpha": ALPHAS[::-1]},  # the first of equals: the strongest
        cv=PredefinedSplit(np.where(np.isin(np.arange(90), rows), 0, -1)),
    ).fit(x, y)
    found = ridge(torch.tensor(x), torch.tensor(y), torch.tensor(test), validation=torch.tensor(rows))
    assert found.selected["alpha"] == pytest.approx(grid.best_params_["ridgeclassifier__alpha"])
    assert found.selected["validation_accuracy"] == pytest.approx(grid.best_score_)
    assert found.selected["selected_on"] == "the split's validation part"
    expected = grid.decision_function(test)
    np.testing.assert_allclose(found.scores[:, -1] if classes == 2 else found.scores, expected, atol=1e-8)


@pytest.mark.parametrize("name", PROBES)
def test_a_class_that_only_the_validation_part_has_is_learned_in_the_end(name):
    x, y = data(60, 8, classes=3, spread=4.0)
    rows = torch.nonzero(torch.tensor(y) == 2).flatten()
    rows = torch.cat([rows, torch.tensor([0, 1])]).sort().values
    found = fit_probe(name, torch.tensor(x), torch.tensor(y), torch.tensor(x), validation=rows)
    assert (found.classes == torch.tensor(y)).double().mean() > 0.9
    assert found.selected.get("validation_accuracy", 0) < 0.2


def test_names_are_checked():
    assert check_probes(["knn", "sgd", "knn"]) == ("knn", "sgd")
    with pytest.raises(InputError, match=r"choose from .*ridge, logistic, sgd, knn"):
        check_probes(["svm"])
    with pytest.raises(InputError, match="no probe is given"):
        check_probes([])


@pytest.mark.parametrize("name", PROBES)
def test_the_switch_reaches_every_probe_that_scales(name):
    x, y = (torch.tensor(v) for v in data(60, 8))
    x = x * torch.logspace(-2, 2, 8, dtype=torch.float64)
    on, off = (fit_probe(name, x, y, x, standardise=s) for s in (True, False))
    assert torch.equal(on.scores, off.scores) == (not PROBES[name].chooses)
    assert on.selected.get("standardised", "none") is not off.selected.get("standardised", False)


@pytest.mark.parametrize("probe", PROBES.values(), ids=list(PROBES))
def test_labels_need_not_be_consecutive(probe):
    x, y = data(60, 8, classes=3, spread=4.0)
    numbers = torch.tensor([2, 7, 11])[torch.tensor(y)]
    found = probe.fit(torch.tensor(x), numbers, torch.tensor(x))
    assert set(found.classes.tolist()) <= {2, 7, 11}
    assert (found.classes == numbers).float().mean() > 0.9


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("probe", PROBES.values(), ids=list(PROBES))
def test_the_predicted_class_has_the_largest_score(probe, classes):
    x, y = data(60, 8, classes)
    numbers = torch.tensor([2, 7, 11])[torch.tensor(y)]
    found = probe.fit(torch.tensor(x), numbers, torch.tensor(data(50, 8, classes, seed=1)[0]))
    assert found.scores.shape == (50, classes)
    assert torch.equal(torch.tensor([2, 7, 11])[found.scores.argmax(1)], found.classes)


@pytest.mark.parametrize("probe", PROBES.values(), ids=list(PROBES))
def test_test_samples_do_not_influence_one_another(probe):
    x, y = (torch.tensor(v) for v in data(60, 8))
    test = torch.tensor(data(50, 8, seed=1)[0])
    together, alone = probe.fit(x, y, test), probe.fit(x, y, test[:10])
    assert torch.equal(together.classes[:10], alone.classes)
    torch.testing.assert_close(together.scores[:10], alone.scores)
    assert together.selected == alone.selected


@pytest.mark.parametrize("probe", PROBES.values(), ids=list(PROBES))
def test_one_class_is_an_error(probe):
    with pytest.raises(InputError, match="at least 2 classes"):
        probe.fit(torch.randn(5, 3), torch.zeros(5, dtype=torch.int64), torch.randn(2, 3))


@pytest.mark.parametrize("probe", PROBES.values(), ids=list(PROBES))
def test_an_unlabelled_training_sample_is_an_error(probe):
    with pytest.raises(InputError, match="unlabelled"):
        probe.fit(torch.randn(5, 3), torch.arange(5) - 1, torch.randn(2, 3))
