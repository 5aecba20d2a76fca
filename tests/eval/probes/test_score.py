import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from simclr.errors import InputError
from simclr.eval.metrics.calibration import expected_calibration_error
from simclr.eval.probes.score import score
from simclr.eval.splits.split import given, k_shot
from simclr.eval.work.work import Work


def data():
    g = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (150,), generator=g)
    features = torch.randn(150, 6, generator=g) + torch.nn.functional.one_hot(labels, 6) * 1.5
    labels[:10] = -1
    return features, labels


def test_a_user_gets_the_same_number_with_scikit_learn_alone():
    features, labels = data()
    split = k_shot(labels, 5, seed=2)
    (found,) = score(features, labels, [split], ["logistic"])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, tol=1e-8, max_iter=10_000)).fit(
        features[split.train].double().numpy(), labels[split.train].numpy()
    )
    test, truth = features[split.test].double().numpy(), labels[split.test].numpy()
    assert found.metrics["oa"] == pytest.approx(model.score(test, truth))
    probabilities = torch.tensor(model.predict_proba(test))
    expected = expected_calibration_error(probabilities.amax(1), probabilities.argmax(1) == labels[split.test])
    assert found.metrics["ece"] == pytest.approx(expected, abs=1e-3)
    scaled = (probabilities.log() / found.selected["temperature"]).softmax(1)
    expected = expected_calibration_error(scaled.amax(1), scaled.argmax(1) == labels[split.test])
    assert found.metrics["ece_scaled"] == pytest.approx(expected, abs=1e-3)
    assert found.metrics["aa"] == pytest.approx(balanced_accuracy_score(truth, model.predict(test)))


def test_test_labels_have_no_part_in_training():
    features, labels = data()
    split = k_shot(labels, 5, seed=0)
    shuffled = labels.clone()
    shuffled[split.test] = labels[split.test].roll(1)
    for honest, other in zip(score(features, labels, [split]), score(features, shuffled, [split])):
        assert honest.selected == other.selected
        assert honest.metrics["oa"] > other.metrics["oa"] + 0.1


def test_every_split_with_every_probe_in_order():
    features, labels = data()
    splits = [k_shot(labels, k, 0) for k in (2, 4)]
    seen = []
    found = score(features, labels, splits, ["ridge", "knn"], progress=lambda done, total: seen.append((done, total)))
    assert [(s.split.shots, s.probe) for s in found] == [(2, "ridge"), (2, "knn"), (4, "ridge"), (4, "knn")]
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_features_that_say_nothing_are_named():
    _, labels = data()
    said: list[str] = []
    splits = [k_shot(labels, 5, seed=seed) for seed in range(2)]
    found = score(torch.full((150, 6), 3.5), labels, splits, ["ridge"], work=Work(say=said.append))
    assert said == ["all samples have the same features: no probe can tell classes apart by them"]
    assert found[0].metrics["aa"] == pytest.approx(1 / 3)


def test_bad_input_is_named():
    features, labels = data()
    split = k_shot(labels, 5, 0)
    with pytest.raises(InputError, match="no probe 'svm'"):
        score(features, labels, [split], ["svm"])
    with pytest.raises(InputError, match="one N"):
        score(features[:-1], labels, [split])
    with pytest.raises(InputError, match="unlabelled or not among"):
        score(features, labels, [given([0, 20], [30])])
    with pytest.raises(InputError, match="unlabelled or not among"):
        score(features, labels, [given([20, 21], [150])])
    broken = features.clone()
    broken[33, 2] = torch.nan
    with pytest.raises(InputError, match="first id 33"):
        score(broken, labels, [split])
