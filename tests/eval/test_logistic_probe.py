import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from eval.logistic_probe import PENALTIES, SWEEP_FROM, logistic
from eval.validation import validation_part


def data(n, dim=12, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    means = np.random.default_rng(99).normal(size=(classes, dim)) * 0.5
    return torch.tensor(rng.normal(size=(n, dim)) * 3 + means[y]), torch.tensor(y)


def scikit(x, y, test, c):
    scaler = StandardScaler().fit(x)
    model = LogisticRegression(C=c, solver="newton-cholesky", tol=1e-12).fit(scaler.transform(x), y)
    return model.predict_proba(scaler.transform(test)), model.predict(scaler.transform(test))


def test_the_paper_has_45_values_from_1e_minus_6_to_1e5():
    np.testing.assert_allclose(PENALTIES.flip(0), np.logspace(-6, 5, 45))


@pytest.mark.parametrize("classes", [2, 3])
def test_few_samples_have_scikit_learns_default_strength(classes):
    x, y = data(SWEEP_FROM * classes - 1, classes=classes)
    test, _ = data(200, classes=classes, seed=1)
    found = logistic(x, y, test)
    probabilities, predicted = scikit(x, y, test, 1.0)
    assert found.selected["C"] == 1.0
    assert "validation_samples" not in found.selected
    np.testing.assert_allclose(found.scores.softmax(1), probabilities, atol=1e-4)
    assert found.classes.tolist() == predicted.tolist()


@pytest.mark.parametrize("classes", [2, 3])
def test_many_samples_have_the_value_that_predicts_the_held_out_best(classes):
    x, y = data(SWEEP_FROM * classes, classes=classes)
    test, _ = data(200, classes=classes, seed=1)
    found = logistic(x, y, test)
    fit, held_out = validation_part(y)
    accuracies = {
        p: float((scikit(x[fit], y[fit], x[held_out], 1 / p)[1] == y[held_out].numpy()).mean())
        for p in PENALTIES.tolist()
    }
    best = max(accuracies.values())
    assert found.selected["validation_accuracy"] == pytest.approx(best)
    assert found.selected["penalty"] == max(p for p, a in accuracies.items() if a == best)
    assert found.selected["C"] == pytest.approx(1 / found.selected["penalty"])
    assert found.selected["validation_samples"] == len(held_out)
    assert found.selected["gap"] <= 1e-8
    # Fitted again to all training samples.
    probabilities, _ = scikit(x, y, test, found.selected["C"])
    np.testing.assert_allclose(found.scores.softmax(1), probabilities, atol=1e-4)


def test_standardising_is_a_declared_switch():
    x, y = data(90)
    x = x * torch.logspace(-2, 2, 12, dtype=torch.float64)
    with_scale, without = logistic(x, y, x), logistic(x, y, x, standardise=False)
    assert (with_scale.selected["standardised"], without.selected["standardised"]) == (True, False)
    model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-12).fit(x - x.mean(0), y)
    np.testing.assert_allclose(without.scores.softmax(1), model.predict_proba(x - x.mean(0)), atol=1e-4)
