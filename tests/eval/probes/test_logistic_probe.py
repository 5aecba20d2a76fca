import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from simclr.eval.metrics.calibration import fit_temperature
from simclr.eval.probes import logistic_probe
from simclr.eval.probes.logistic_path import GROUP
from simclr.eval.probes.logistic_probe import FOLDS, PATIENCE, PENALTIES, SWEEP_FROM, logistic
from simclr.eval.splits.validation import validation_part


def data(n, dim=12, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    means = np.random.default_rng(99).normal(size=(classes, dim)) * 0.5
    return torch.tensor(rng.normal(size=(n, dim)) * 3 + means[y]), torch.tensor(y)


def scikit(x, y, test, c):
    scaler = StandardScaler().fit(x)
    model = LogisticRegression(C=c, solver="newton-cholesky", tol=1e-12).fit(scaler.transform(x), y)
    return model.predict_proba(scaler.transform(test)), model.predict(scaler.transform(test))


def chosen_by_scikit(x, y, fit, rows):
    """Accuracy and penalty: of the most accurate ones the likeliest, where a loss of 0.05 or less counts as none."""
    judged = {}
    for penalty in PENALTIES.tolist():
        probabilities, predicted = scikit(x[fit], y[fit], x[rows], 1 / penalty)
        loss = -np.log(probabilities[np.arange(len(rows)), y[rows].numpy()]).mean()
        judged[penalty] = float((predicted == y[rows].numpy()).mean()), max(loss, 0.05), loss
    best = min(judged, key=lambda penalty: (-judged[penalty][0], judged[penalty][1], -penalty))
    return judged[best][0], best, judged[best][2]


def test_the_paper_has_45_values_from_1e_minus_6_to_1e5():
    np.testing.assert_allclose(PENALTIES.flip(0), np.logspace(-6, 5, 45))


@pytest.mark.parametrize("classes", [2, 3])
def test_few_samples_have_scikit_learns_default_strength(classes):
    x, y = data(SWEEP_FROM * classes - 1, classes=classes)
    test, _ = data(200, classes=classes, seed=1)
    found = logistic(x, y, test)
    probabilities, predicted = scikit(x, y, test, 1.0)
    assert found.selected["C"] == 1.0
    assert found.selected["selected_on"] == "nothing, it is fixed"
    assert "validation_accuracy" not in found.selected
    np.testing.assert_allclose(found.scores.softmax(1), probabilities, atol=1e-4)
    assert found.classes.tolist() == predicted.tolist()


@pytest.mark.parametrize("classes", [2, 3])
def test_many_samples_have_the_value_that_predicts_the_held_out_best(classes):
    x, y = data(SWEEP_FROM * classes, classes=classes)
    test, _ = data(200, classes=classes, seed=1)
    found = logistic(x, y, test)
    fit, held_out = validation_part(y)
    accuracy, penalty, loss = chosen_by_scikit(x, y, fit, held_out)
    assert found.selected["validation_accuracy"] == pytest.approx(accuracy)
    assert found.selected["penalty"] == penalty
    assert found.selected["validation_loss"] == pytest.approx(loss, rel=1e-3)
    assert found.selected["C"] == pytest.approx(1 / found.selected["penalty"])
    assert found.selected["validation_samples"] == len(held_out)
    assert found.selected["gap"] <= 1e-8
    # Fitted again to all training samples.
    probabilities, _ = scikit(x, y, test, found.selected["C"])
    np.testing.assert_allclose(found.scores.softmax(1), probabilities, atol=1e-4)


def test_the_path_ends_where_no_held_out_sample_is_missed_and_no_weaker_penalty_can_win():
    x, y = data(SWEEP_FROM * 3)
    x[torch.arange(len(x)), y] += 40
    found, whole = logistic(x, y, x), logistic(x, y, x, all_penalties=True)
    assert found.selected["validation_accuracy"] == 1
    assert found.selected["validation_loss"] <= 0.05
    assert found.selected["penalties_tried"] < 30 < whole.selected["penalties_tried"] == 45
    assert "no weaker penalty can win" in found.selected["ended"]
    assert whole.selected["ended"] == "all of them were tried"
    assert found.selected["penalty"] == whole.selected["penalty"]
    assert torch.equal(found.scores, whole.scores)


def test_easy_classes_are_told_with_the_certainty_that_they_deserve():
    """Every penalty recognises all of them; the strongest would give each class a probability of about 1/K."""
    x, y = data(SWEEP_FROM * 3)
    x[torch.arange(len(x)), y] += 40
    test, truth = data(300, seed=1)
    test[torch.arange(300), truth] += 40
    found = logistic(x, y, test)
    assert torch.equal(found.classes, truth)
    assert float(found.scores.softmax(1).amax(1).mean()) > 0.9


@pytest.mark.parametrize("classes", [2, 3])
def test_the_path_ends_two_decades_beyond_the_most_accurate_and_the_likeliest(classes):
    x, y = data(SWEEP_FROM * classes, dim=20, classes=classes)
    found, whole = logistic(x, y, x), logistic(x, y, x, all_penalties=True)
    tried = found.selected["penalties_tried"]
    assert tried < 45
    assert "none is likelier" in found.selected["ended"]
    assert found.selected["penalty"] == whole.selected["penalty"]
    fit, held_out = validation_part(y)
    judged = [scikit(x[fit], y[fit], x[held_out], 1 / p) for p in PENALTIES[:tried].tolist()]
    loss = [-np.log(p[np.arange(len(p)), y[held_out].numpy()]).mean() for p, _ in judged]
    best = max(PENALTIES.tolist().index(found.selected["penalty"]), loss.index(min(loss)))
    assert tried - 1 - best >= PATIENCE
    assert tried - 1 - best < PATIENCE + GROUP


def test_the_strongest_penalties_that_see_the_largest_class_alone_do_not_end_the_path():
    """All predict it, and so recognise the same samples, over more than ``PATIENCE`` penalties: but ever likelier."""
    rng = np.random.default_rng(0)
    y = torch.tensor([0] * 190 + [1] * 10)
    x = torch.tensor(rng.normal(size=(200, 3)) + 2.0 * y[:, None].numpy())
    found = logistic(x, y, x, standardise=False, validation=torch.arange(0, 200, 4))
    whole = logistic(x, y, x, standardise=False, validation=torch.arange(0, 200, 4), all_penalties=True)
    assert PENALTIES.tolist().index(found.selected["penalty"]) > PATIENCE
    assert found.selected["penalty"] == whole.selected["penalty"]


def test_the_temperature_of_few_samples_is_that_of_their_own_folds():
    x, y = data(90)
    found = logistic(x, y, x)
    logits, place = torch.zeros(90, 3, dtype=torch.float64), torch.arange(90) // 3
    for fold in range(FOLDS):
        fit, left = place % FOLDS != fold, place % FOLDS == fold
        scaler = StandardScaler().fit(x[fit])
        model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-12).fit(scaler.transform(x[fit]), y[fit])
        logits[left] = torch.tensor(model.decision_function(scaler.transform(x[left])))
    expected = fit_temperature(logits, y)
    assert 1.05 < expected < 5
    assert found.selected["temperature"] == pytest.approx(expected, rel=1e-2)
    assert found.selected["validation_samples"] == 90
    assert "temperature" not in logistic(x, y, x, calibrate=False).selected
    assert "temperature" not in logistic(x[:3], y[:3], x).selected


@pytest.mark.parametrize("classes", [2, 3])
def test_a_validation_part_of_the_split_chooses_the_penalty(classes):
    x, y = data(130, classes=classes)
    test, _ = data(50, classes=classes, seed=1)
    start = 101 - classes  # not as many samples of each class: else rounding decides the strongest penalties
    fit, rows = torch.arange(start), torch.arange(start, 130)
    found = logistic(x, y, test, validation=rows)
    assert found.selected["selected_on"] == "the split's validation part"
    assert found.selected["penalty"] == chosen_by_scikit(x, y, fit, rows)[1]
    probabilities, _ = scikit(x, y, test, found.selected["C"])
    np.testing.assert_allclose(found.scores.softmax(1), probabilities, atol=1e-4)


def test_standardising_is_a_declared_switch():
    x, y = data(90)
    x = x * torch.logspace(-2, 2, 12, dtype=torch.float64)
    with_scale, without = logistic(x, y, x), logistic(x, y, x, standardise=False)
    assert (with_scale.selected["standardised"], without.selected["standardised"]) == (True, False)
    model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-12).fit(x - x.mean(0), y)
    np.testing.assert_allclose(without.scores.softmax(1), model.predict_proba(x - x.mean(0)), atol=1e-4)


def test_the_last_fit_starts_where_the_choice_ended(monkeypatch):
    x, y = data(SWEEP_FROM * 3)
    x = 5 * x + 7
    paths = []
    path = logistic_probe.logistic_path
    monkeypatch.setattr(logistic_probe, "logistic_path", lambda *a, **k: paths.append(path(*a, **k)) or paths[-1])
    found = logistic(x, y, x)
    _, last = paths
    units = torch.tensor(StandardScaler().fit_transform(x))
    cold = path(units, y, 3, torch.tensor([found.selected["penalty"]], dtype=torch.float64), 1e-8)
    assert int(last.newton_steps) < int(cold.newton_steps)


def test_the_result_says_what_is_certain_of_the_choice():
    x, y = data(SWEEP_FROM * 3)
    easy = x.clone()
    easy[torch.arange(len(x)), y] += 40
    assert "the best of all: losses of 0.05" in logistic(easy, y, easy).selected["guarantee"]
    assert "a factor of 100, beyond it" in logistic(x, y, x).selected["guarantee"]
    assert logistic(x, y, x, all_penalties=True).selected["guarantee"] == "the best of all"
