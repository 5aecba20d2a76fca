import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, cohen_kappa_score, recall_score

from simclr.errors import InputError
from simclr.eval.metrics.accuracy import per_class_recall
from simclr.eval.metrics.judgement import Judgement, confusion
from simclr.eval.metrics.registry import METRICS


def scores(labels, predictions):
    judged = Judgement(labels, predictions)
    return {name: METRICS[name].function(judged) for name in ("oa", "aa", "kappa")}


def test_scores_equal_scikit_learns():
    g = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 5, (300,), generator=g)
    predictions = torch.where(torch.rand(300, generator=g) < 0.6, labels, torch.randint(0, 5, (300,), generator=g))
    found = scores(labels, predictions)
    assert found["oa"] == pytest.approx(accuracy_score(labels, predictions))
    assert found["aa"] == pytest.approx(balanced_accuracy_score(labels, predictions))
    assert found["kappa"] == pytest.approx(cohen_kappa_score(labels, predictions))
    expected = recall_score(labels, predictions, average=None)
    assert list(per_class_recall(labels, predictions).values()) == pytest.approx(expected.tolist())


def test_a_worked_example():
    # Cohen's own kind of table: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no has kappa 0.4.
    labels = torch.tensor([0] * 25 + [1] * 25)
    predictions = torch.tensor([0] * 20 + [1] * 5 + [0] * 10 + [1] * 15)
    assert confusion(labels, predictions).tolist() == [[20, 5], [10, 15]]
    assert scores(labels, predictions) == pytest.approx({"oa": 0.7, "aa": 0.7, "kappa": 0.4})


def test_average_accuracy_counts_only_classes_that_occur():
    # Class 2 is predicted but has no sample: it is no class to be recalled.
    assert scores(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 2, 1, 1]))["aa"] == pytest.approx(0.75)


def test_one_class_predicted_perfectly_has_kappa_one():
    assert scores(torch.zeros(4, dtype=torch.int64), torch.zeros(4, dtype=torch.int64))["kappa"] == 1.0


@pytest.mark.parametrize(
    ("labels", "predictions"), [([], []), ([0, 1], [0]), ([-1, 0], [0, 0])], ids=["empty", "lengths", "unlabelled"]
)
def test_bad_input_is_named(labels, predictions):
    with pytest.raises(InputError):
        scores(torch.tensor(labels, dtype=torch.int64), torch.tensor(predictions, dtype=torch.int64))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40))
def test_any_table_has_scikit_learns_scores(pairs):
    """Classes that are empty, never predicted, or alone."""
    labels, predictions = (list(column) for column in zip(*pairs))
    found = scores(torch.tensor(labels), torch.tensor(predictions))
    assert found["oa"] == pytest.approx(accuracy_score(labels, predictions))
    assert found["aa"] == pytest.approx(recall_score(labels, predictions, average="macro", labels=sorted(set(labels))))
    one_and_the_same = len({*labels, *predictions}) == 1
    expected = 1.0 if one_and_the_same else cohen_kappa_score(labels, predictions)
    assert found["kappa"] == pytest.approx(expected)
