"""Every probe on every odd input: what scikit-learn says in float64, or one line by name."""

import functools

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifierCV
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import one_hot

from simclr.errors import InputError
from simclr.eval.few_shot import few_shot
from simclr.eval.linear_eval import linear_eval
from simclr.eval.metrics.clustering import kmeans_nmi
from simclr.eval.metrics.judgement import Judgement
from simclr.eval.metrics.registry import METRICS
from simclr.eval.metrics.retrieval import retrieval
from simclr.eval.probes.episodes import run_episodes
from simclr.eval.probes.knn import knn_accuracy, knn_votes
from simclr.eval.probes.monitor import knn_monitor
from simclr.eval.probes.registry import PROBES, fit_probe
from simclr.eval.probes.ridge_probe import ALPHAS
from simclr.eval.probes.score import score
from simclr.eval.splits.split import given

SCALES = {"1e-17": 1e-17, "1e18": 1e18}
NUMBERS = torch.tensor([10**6, 20240101, 7])
NAMES = [pytest.param(name, marks=pytest.mark.slow) if name == "sgd" else name for name in PROBES]
TRAIN, TEST = torch.arange(60), torch.arange(60, 90)


def data():
    g = torch.Generator().manual_seed(0)
    y = torch.arange(90) % 3
    return torch.randn(90, 6, generator=g) * torch.linspace(0.2, 2, 6) + 2 * one_hot(y, 6), y


def classes_by(name, x, y, **options):
    return fit_probe(name, x[TRAIN], y[TRAIN], x[TEST], **options).classes


@functools.cache
def usual(name):
    return classes_by(name, *data())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_no_scale_changes_a_class(name, dtype, scale):
    x, y = data()
    assert torch.equal(classes_by(name, x.to(dtype) * scale, y), usual(name))


@pytest.mark.parametrize("name", NAMES)
def test_class_numbers_of_any_size_are_those_of_the_answer(name):
    x, y = data()
    assert torch.equal(classes_by(name, x, NUMBERS[y]), NUMBERS[usual(name)])


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_what_it_holds(name):
    x, y = data()
    assert torch.equal(classes_by(name, x.half(), y), classes_by(name, x.half().double(), y))


@pytest.mark.parametrize("name", NAMES)
def test_samples_that_are_all_alike_get_one_class(name):
    x, y = data()
    assert len(classes_by(name, torch.full_like(x, 0.1), y).unique()) == 1


@pytest.mark.parametrize("name", NAMES)
def test_negative_classes_and_no_columns_are_named(name):
    x, y = data()
    with pytest.raises(InputError, match="a training sample is unlabelled"):
        classes_by(name, x, y.where(torch.arange(90) > 5, -3))
    with pytest.raises(InputError, match="no columns"):
        classes_by(name, x[:, :0], y)


@pytest.mark.parametrize("scale", [1e-17, 1.0, 1e18])
@pytest.mark.parametrize("standardise", [True, False])
def test_ridge_is_scikit_learns_at_any_scale(scale, standardise):
    x, y = data()
    x = x.double().numpy() * scale
    units = StandardScaler(with_std=standardise).fit(x[TRAIN])
    model = RidgeClassifierCV(ALPHAS).fit(units.transform(x[TRAIN]), y[TRAIN])
    found = classes_by("ridge", torch.tensor(x), y, standardise=standardise)
    assert found.tolist() == model.predict(units.transform(x[TEST])).tolist()


EVALUATORS = {
    "linear_eval": lambda x, y: linear_eval(x, y, probes=["ridge"], splits=[given(TRAIN, TEST)]),
    "few_shot": lambda x, y: few_shot(x, y, seeds=[0], shots=[3], probes=["ridge", "prototype cosine"], episodes=3),
    "score": lambda x, y: score(x, y, [given(TRAIN, TEST)], ["ridge"]),
    "episodes": lambda x, y: run_episodes(x, y, ways=2, shots=1, queries=2, episodes=5),
    "kNN monitor": knn_monitor,
    "kNN accuracy": knn_accuracy,
    "kNN votes": lambda x, y: knn_votes(x, y.unique(return_inverse=True)[1], x),
    "retrieval": retrieval,
    "NMI": kmeans_nmi,
}


def numbers_of(value):
    """All numbers of an answer, whatever it is."""
    if isinstance(value, dict):
        kept = {key: value[key] for key in ("rows", "episodes") if key in value} or value
        return [number for part in kept.values() for number in numbers_of(part)]
    if isinstance(value, torch.Tensor):
        return value.flatten().tolist()
    if isinstance(value, float):
        return [value]
    fields = vars(value)["metrics"] if hasattr(value, "metrics") else value
    if isinstance(fields, dict):
        return numbers_of(fields)
    return [n for part in fields for n in numbers_of(part)] if isinstance(fields, list | tuple) else []


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_evaluators_give_the_same_at_any_scale_and_of_any_class_numbers(evaluator):
    x, y = data()
    expected = numbers_of(EVALUATORS[evaluator](x, y))
    assert expected
    for odd in (x * 1e-17, x.double() * 1e-17, x.double() * 1e18):
        assert numbers_of(EVALUATORS[evaluator](odd, y)) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    # In the order of the classes, so that whatever is drawn is drawn alike.
    ascending = NUMBERS.sort().values[y]
    assert numbers_of(EVALUATORS[evaluator](x, ascending)) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert np.isfinite(numbers_of(EVALUATORS[evaluator](torch.full_like(x, 0.1), y))).all()


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_evaluators_name_what_they_cannot_judge(evaluator):
    x, y = data()
    broken = x.clone()
    broken[3, 1] = torch.nan
    for odd in (x[:, :0], broken, x.double() * 1e40, x.double() * 1e-40):
        with pytest.raises(InputError) as caught:
            EVALUATORS[evaluator](odd, y)
        assert "\n" not in str(caught.value)


def test_votes_of_class_numbers_of_any_size_are_refused_by_name():
    x, y = data()
    with pytest.raises(InputError, match=r"a class is 20240101.*return_inverse"):
        knn_votes(x, NUMBERS[y], x)


def test_metrics_of_twenty_thousand_classes_take_no_table_of_pairs():
    truth = torch.arange(20_000) + 10**9
    judged = Judgement(truth, truth.where(truth % 4 > 0, truth + 1))
    assert judged.counts is None
    values = {name: METRICS[name].function(judged) for name in ("oa", "aa", "kappa")}
    assert values == pytest.approx({"oa": 0.75, "aa": 0.75, "kappa": 0.75}, abs=1e-4)
