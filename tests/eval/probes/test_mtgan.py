import copy
from dataclasses import replace

import pytest
import torch

from simclr.errors import InputError
from simclr.eval.open_set.objectives import Job, compare_objectives
from simclr.eval.probes.learner import Lesson, LessonInputs
from simclr.eval.probes.learners import check_learners, learner_of
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.open_split import OpenSplit
from simclr.eval.splits.split import Split
from tests.eval.test_few_shot import scene_encoder


def lesson(source=None):
    encoder, scene = scene_encoder()
    ids = torch.cat([torch.nonzero(scene.labels == c).flatten()[:6] for c in range(3)])
    targets = torch.arange(3).repeat_interleave(6)
    return Lesson(encoder, False, LessonInputs(encoder), source or scene, ids, targets, 0)


@pytest.mark.parametrize("word", ["mtgan", "mtgan-frozen"])
def test_labels_of_others_change_nothing_and_frozen_features_see_none_at_all(word):
    given = lesson()
    other = copy.copy(given.source)
    other.labels = torch.where(torch.isin(torch.arange(len(given.source)), given.ids), given.source.labels, -1)
    test = torch.arange(0, 400, 9)

    def features(of):
        return learner_of(word, {"steps": 3})(of).features(of.source, test)

    once = features(given)
    assert torch.equal(once, features(lesson(other)))
    shuffled = replace(given, targets=given.targets.flip(0))

    assert torch.equal(once, features(shuffled)) == (word == "mtgan-frozen")


@pytest.mark.slow
def test_it_learns_the_classes():
    given = lesson()
    others = torch.cat([torch.nonzero(given.source.labels == c).flatten()[20:60] for c in range(3)])
    learned = learner_of("mtgan", {"steps": 30})(given)
    own = learned.own(given.source, others)
    assert (own.targets == given.source.labels[others]).double().mean() > 0.8
    assert "those that are tested among them" in learned.selected["without_labels"]


def test_it_begins_at_random_weights_alone():
    encoder, scene = scene_encoder()
    given = lesson()
    rest = torch.nonzero(~torch.isin(torch.arange(len(scene)), given.ids)).flatten()
    test = rest[scene.labels[rest] >= 0]
    split = Split(name="random", train=given.ids, test=test, seed=0, shots=6)
    job = Job(["mtgan-frozen"], "logistic", thresholds=False, options={"steps": 1})
    pairs = [OpenSplit(split, split, ())]
    found = compare_objectives(encoder, encoder.random_twin, LabelledData(scene), pairs, job, lambda *_: None)
    assert [one.start for one in found] == ["random"]


def test_its_game_alone_is_no_word():
    with pytest.raises(
        InputError,
        match=r"the objective 'softmax\+adversarial' wants samples without labels: use it in simclr fine-tune",
    ):
        check_learners("softmax+adversarial")
