import pytest
import torch
from scipy.stats import weibull_min

from simclr.eval.open_set.objectives import Job, compare_objectives
from simclr.eval.probes.learner import Lesson, LessonInputs
from simclr.eval.probes.learners import learner_of
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.open_split import few_shot_splits
from tests.eval.test_few_shot import scene_encoder


@pytest.fixture(scope="module")
def pair():
    """A split whose last class is unknown."""
    _, scene = scene_encoder()
    nobody = torch.zeros(0, dtype=torch.int64)
    _, opened = few_shot_splits(
        LabelledData(scene), ["random"], shots=[8], seeds=[0], exclude=nobody, unknown=[int(scene.labels.max())]
    )
    return opened[0]


def learned_of(pair, **options):
    encoder, scene = scene_encoder()
    ids = pair.open.learned()
    targets = scene.labels[ids].unique(return_inverse=True)[1]
    lesson = Lesson(encoder, True, LessonInputs(encoder), scene, ids, targets, 0)
    return learner_of("mdl4ow", options)(lesson), lesson


def test_errors_of_known_samples_shrink_and_stand_for_it(pair):
    errors = {}
    for steps in (1, 60):
        learned, lesson = learned_of(pair, steps=steps, layer_decay=1.0, lr=1e-2)
        errors[steps] = learned.own(lesson.source, lesson.ids).unknownness["reconstruction"].mean()
    assert errors[60] < 0.9 * errors[1]
    assert (learned.score, learned.tail) == ("reconstruction", "reconstruction")
    assert set(learned.own(lesson.source, lesson.ids).unknownness) == {
        "reconstruction",
        "own max softmax",
        "own energy",
    }


def test_decisions_are_by_the_tail_of_the_training_errors(pair):
    encoder, scene = scene_encoder()
    job = Job(["mdl4ow"], "logistic", thresholds=False, options={"steps": 3})
    found = compare_objectives(encoder, encoder.random_twin, LabelledData(scene), [pair], job, lambda *_: None)[0]
    entries = {(entry.probe, entry.threshold): entry.metrics for entry in found.entries}

    learned, lesson = learned_of(pair, steps=3)
    test = learned.own(scene, pair.open.test)
    of_train = learned.own(scene, lesson.ids).unknownness["reconstruction"].sort().values
    tail = of_train[-20:].numpy()
    shape, _, scale = weibull_min.fit(tail / tail.mean(), floc=0)
    cdf = weibull_min.cdf(test.unknownness["reconstruction"].numpy() / tail.mean(), shape, scale=scale)
    rejected = torch.from_numpy(cdf > 0.5)
    unknown = scene.labels[pair.open.test] == pair.unknown[0]
    right = scene.labels[lesson.ids].unique()[test.targets] == scene.labels[pair.open.test]
    assert entries["reconstruction", "tail"]["unknown_recall"] == pytest.approx(
        float(rejected[unknown].double().mean())
    )
    known = (right & ~rejected)[~unknown].double().mean()
    assert entries["reconstruction", "tail"]["known_accuracy"] == pytest.approx(float(known))
    assert ("reconstruction", "tail by class") in entries
