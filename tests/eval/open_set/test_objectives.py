import sys
from types import SimpleNamespace

import pytest
import torch

from simclr.eval.open_set.evaluate import open_set
from simclr.eval.open_set.metrics import auroc, open_scores
from simclr.eval.open_set.objectives import CROSS_FITTED, STARTS, Job, as_pairs, compare_objectives, frozen_found
from simclr.eval.open_set.scores import by_mahalanobis
from simclr.eval.probes import learners
from simclr.eval.probes.learner import Learned, OwnScores
from simclr.eval.probes.prototype_probe import nearest_prototype
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.open_split import few_shot_splits
from simclr.eval.splits.validation import folds_of
from tests.eval.test_few_shot import scene_encoder

LESSONS = []
_HELD_OUT = {"shift": 0, "unknown_needed": 0}  # of halves, not of single samples


def learn_nothing(lesson):
    """The start's own features, and as unknownness the sample's id."""
    LESSONS.append(lesson)

    def own(source, ids):
        return OwnScores(torch.zeros(len(ids), dtype=torch.int64), {"id": ids.double()})

    def features(source, ids):
        with torch.no_grad():
            return lesson.encoder(lesson.inputs.plain(source)(ids))

    return Learned(features, own, score="id", selected={"steps": 0})


@pytest.fixture
def nothing(monkeypatch):
    LESSONS.clear()
    monkeypatch.setitem(sys.modules, "a_stranger", SimpleNamespace(LEARN=learn_nothing))
    monkeypatch.setitem(learners.LEARNERS.lines, "nothing", "a_stranger:LEARN")


def compare(unknown, **job):
    encoder, scene = scene_encoder()
    data = LabelledData(scene)
    none = torch.empty(0, dtype=torch.int64)
    drawn = few_shot_splits(data, ["random"], shots=[5], seeds=[0, 1], exclude=none, unknown=unknown)
    pairs = as_pairs(*drawn)
    done = []
    found = compare_objectives(
        encoder,
        encoder.random_twin,
        data,
        pairs,
        Job(["nothing"], "ridge", **job),
        lambda what, i, n: done.append((what, i, n)),
    )
    assert done[0] == ("objectives: nothing, pretrained", 0, 2)
    return encoder, data, pairs, found


@pytest.mark.slow
def test_what_is_not_trained_is_judged_as_frozen_features_are(nothing):
    encoder, data, pairs, found = compare(unknown=[3])
    with torch.no_grad():
        features = encoder(encoder.preprocess.scene(data.source)[torch.arange(400)])
    assert [(one.start, one.split.seed) for one in found] == [(start, seed) for seed in (0, 1) for start in STARTS]
    for one, pair in zip(found[::2], pairs):
        expected = open_set(features, data.labels, pair)
        closed, *entries = frozen_found("pretrained", features, data.labels, pair, expected, "ridge").entries
        assert one.entries[0] == closed
        ranks = {e.probe: e.metrics for e in one.entries if e.threshold is None}
        for entry in entries:
            if entry.threshold is None:
                assert {**ranks[entry.probe], **_HELD_OUT} == pytest.approx({**entry.metrics, **_HELD_OUT})
        assert (one.score, one.selected) == ("id", {"steps": 0})
        truth = data.labels[pair.open.test]
        assert ranks["id"]["auroc"] == pytest.approx(auroc(pair.open.test.double(), truth == 3))


def test_thresholds_are_from_samples_that_the_learner_has_not_seen(nothing):
    encoder, data, pairs, found = compare(unknown=[3])
    train = pairs[0].open.learned()
    mine = [lesson for lesson in LESSONS if lesson.pretrained and lesson.seed == 0]
    whole, *parts = [lesson.ids for lesson in mine]
    assert torch.equal(whole, train)
    y = data.labels[train]
    fold = folds_of(y, CROSS_FITTED)
    assert [part.tolist() for part in parts] == [train[fold != i].tolist() for i in range(CROSS_FITTED)]
    assert all(set(lesson.targets.tolist()) == {0, 1, 2} for lesson in mine)
    # By hand: what learned nothing has the threshold of frozen features, one sample of each class left out at a time.
    with torch.no_grad():
        x = encoder(encoder.preprocess.scene(data.source)[torch.arange(400)])
    fold = folds_of(y, None)
    left = [by_mahalanobis(x[train[fold != i]], y[fold != i], x[train[fold == i]])[1]["mahalanobis"] for i in range(5)]
    cut = float(torch.quantile(torch.cat(left), 0.95))
    test = pairs[0].open.test
    nearest = nearest_prototype(x[train], y, x[test], "mahalanobis")
    truth = data.labels[test].where(data.labels[test] != 3, -1)
    decided = nearest.classes.where((-nearest.scores).min(1).values <= cut, -1)
    (entry,) = [e for e in found[0].entries if (e.probe, e.threshold) == ("mahalanobis", "quantile")]
    assert entry.metrics == pytest.approx(open_scores(truth, decided))
    assert entry.selected["value"] == pytest.approx(cut)


def test_without_thresholds_there_is_one_training_and_no_decision(nothing):
    *_, found = compare(unknown=[3], thresholds=False)
    assert len(LESSONS) == 4
    assert all(entry.threshold is None for one in found for entry in one.entries)


def test_without_unknown_classes_the_closed_probe_is_all(nothing):
    *_, found = compare(unknown=[])
    assert [[entry.probe for entry in one.entries] for one in found] == [["ridge"]] * 4
    assert len(LESSONS) == 4
