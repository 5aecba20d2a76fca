import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifierCV
from sklearn.preprocessing import StandardScaler

from eval.linear_probe import ALPHAS, PROBES, ridge
from simclr.errors import InputError


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


@pytest.mark.parametrize("probe", PROBES.values(), ids=list(PROBES))
def test_labels_need_not_be_consecutive(probe):
    x, y = data(60, 8, classes=3, spread=4.0)
    numbers = torch.tensor([2, 7, 11])[torch.tensor(y)]
    found = probe(torch.tensor(x), numbers, torch.tensor(x))
    assert set(found.classes.tolist()) <= {2, 7, 11}
    assert (found.classes == numbers).float().mean() > 0.9


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("probe", PROBES.values(), ids=list(PROBES))
def test_the_predicted_class_has_the_largest_score(probe, classes):
    x, y = data(60, 8, classes)
    numbers = torch.tensor([2, 7, 11])[torch.tensor(y)]
    found = probe(torch.tensor(x), numbers, torch.tensor(data(50, 8, classes, seed=1)[0]))
    assert found.scores.shape == (50, classes)
    assert torch.equal(torch.tensor([2, 7, 11])[found.scores.argmax(1)], found.classes)


@pytest.mark.parametrize("probe", PROBES.values(), ids=list(PROBES))
def test_test_samples_do_not_influence_one_another(probe):
    x, y = (torch.tensor(v) for v in data(60, 8))
    test = torch.tensor(data(50, 8, seed=1)[0])
    together, alone = probe(x, y, test), probe(x, y, test[:10])
    assert torch.equal(together.classes[:10], alone.classes)
    torch.testing.assert_close(together.scores[:10], alone.scores)
    assert together.selected == alone.selected


@pytest.mark.parametrize("probe", PROBES.values(), ids=list(PROBES))
def test_one_class_is_an_error(probe):
    with pytest.raises(InputError, match="at least 2 classes"):
        probe(torch.randn(5, 3), torch.zeros(5, dtype=torch.int64), torch.randn(2, 3))


@pytest.mark.parametrize("probe", PROBES.values(), ids=list(PROBES))
def test_an_unlabelled_training_sample_is_an_error(probe):
    with pytest.raises(InputError, match="unlabelled"):
        probe(torch.randn(5, 3), torch.arange(5) - 1, torch.randn(2, 3))
