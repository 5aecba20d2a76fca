import copy
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from simclr.errors import InputError
from simclr.eval.probes.learner import Lesson, LessonInputs
from simclr.eval.probes.learners import check_learners, learner_of, terms_of
from simclr.eval.probes.tuned_objective import FROM_RANDOM, ObjectiveTuning, settings_of, train_objective
from simclr.eval.subject.features import fingerprint
from simclr.losses.objectives import OBJECTIVES
from simclr.losses.term import Term
from tests.eval.test_few_shot import scene_encoder

ALONE = [name for name, term in OBJECTIVES.items() if term.alone and term.needs <= {"inputs"}]


def lesson(shots=6, pretrained=True, seed=0, known=(0, 1, 2)):
    encoder, scene = scene_encoder()
    ids = torch.cat([torch.nonzero(scene.labels == c).flatten()[:shots] for c in known])
    targets = torch.arange(len(known)).repeat_interleave(shots)
    return Lesson(encoder, pretrained, LessonInputs(encoder), scene, ids, targets, seed)


def separation(features, labels):
    """Mean distance between samples of two classes over that within a class."""
    apart = torch.cdist(features, features)
    same = labels[:, None] == labels
    within = apart[same & ~torch.eye(len(labels), dtype=torch.bool)].mean()
    return float(apart[~same].mean() / within)


@pytest.mark.parametrize("word", ["softmax", "triplet"])
def test_other_samples_of_the_classes_come_apart_and_nothing_that_was_given_changes(word):
    given = lesson()
    before = fingerprint(given.encoder)
    others = torch.cat([torch.nonzero(given.source.labels == c).flatten()[20:60] for c in range(3)])
    labels = given.source.labels[others]
    with torch.no_grad():
        start = given.encoder(given.inputs.plain(given.source)(others))
    learned = learner_of(word, {"steps": 20, "lr": 1e-2, "layer_decay": 1.0})(given)
    assert separation(learned.features(given.source, others), labels) > 1.2 * separation(start, labels)
    assert fingerprint(given.encoder) == before
    if learned.own is not None:
        own = learned.own(given.source, others)
        assert (own.targets == labels).double().mean() > 0.9
        assert set(own.unknownness) == {"own max softmax", "own energy"}


def test_the_same_lesson_gives_the_same_again_whatever_was_learned_in_between():
    given = lesson()
    test = torch.arange(0, 400, 7)

    def train(word, of=given, **options):
        return learner_of(word, {"steps": 3, **options})(of).features(of.source, test)

    once = train("triplet")
    train("margin"), train("softmax", embedding=5)
    assert torch.equal(once, train("triplet"))
    assert torch.equal(once, train("triplet", lesson()))  # its own inputs
    assert not torch.equal(once, train("triplet", lesson(seed=1)))
    assert train("triplet", embedding=5).shape == (len(test), 5)


def test_labels_and_pixels_of_other_samples_change_nothing():
    given = lesson()
    other = copy.copy(given.source)
    other.labels = torch.where(torch.isin(torch.arange(400), given.ids), given.source.labels, 0)
    other.cube = given.source.cube.clone()
    unseen = given.inputs.plain(given.source)(given.ids)
    other.cube[:, 10, 10] = 99.0  # in no patch of a sample to learn from
    assert torch.equal(LessonInputs(given.encoder).plain(other)(given.ids), unseen)
    again = replace(given, inputs=LessonInputs(given.encoder), source=other)
    a, b = (train_objective(one, {"softmax": {}}, {"steps": 3}) for one in (given, again))
    assert torch.equal(a.features(given.source, given.ids), b.features(given.source, given.ids))


@pytest.mark.slow
@pytest.mark.parametrize("word", [*ALONE, "softmax+0.003*center"])
def test_every_objective_can_be_asked_for(word):
    given = lesson(shots=3)
    learned = learner_of(word, {"steps": 2})(given)
    features = learned.features(given.source, torch.arange(400))
    assert features.shape == (400, given.encoder.feature_dim)
    assert bool(features.isfinite().all())


def test_embeddings_start_at_the_length_that_is_asked_for():
    given = lesson()
    at_start = {"steps": 1, "lr": 1e-30}
    for options, expected in (({}, 1.0), ({"length": 3.0}, 3.0)):
        h = learner_of("triplet", {**at_start, **options})(given).features(given.source, given.ids)
        torch.testing.assert_close(h.square().sum(1).mean().sqrt(), torch.tensor(expected), rtol=0.3, atol=0)
        torch.testing.assert_close(h.mean(0), torch.zeros(h.shape[1]), atol=1e-5, rtol=0)


def test_words():
    assert terms_of("softmax + 0.5*center") == {"softmax": {}, "center": {"weight": 0.5}}
    assert check_learners([" triplet", "softmax + center", "triplet"]) == ("triplet", "softmax+center")
    for match, word in (
        ("did you mean triplet", "tripled"),
        ("twice", "softmax+softmax"),
        ("the weight 'x'", "softmax+x*center"),
        ("the weight -1: give a number above 0", "-1*softmax"),
        ("the weight nan: give a number above 0", "nan*softmax"),
        ("such as softmax\\+center", "center"),
        ("adds up mdl4ow, which is a whole system", "softmax+mdl4ow"),
    ):
        with pytest.raises(InputError, match=match):
            check_learners([word])
    with pytest.raises(InputError, match="objectives is 3"):
        check_learners(3)


def test_a_term_that_wants_samples_without_labels_is_refused(monkeypatch):
    def distance(embeddings, labels, *, check=True, seen=None):
        return torch.zeros(())

    far = Term("far", distance, needs=frozenset({"unlabelled"}))
    monkeypatch.setitem(sys.modules, "a_stranger", SimpleNamespace(FAR=far))
    monkeypatch.setitem(OBJECTIVES.lines, "far", "a_stranger:FAR")
    with pytest.raises(InputError, match="wants samples without labels"):
        check_learners(["softmax+far"])


def test_settings():
    encoder, _ = scene_encoder()
    assert settings_of(False, encoder) == FROM_RANDOM
    assert settings_of(True, encoder, {"steps": 7}).steps == 7
    for match, options in (
        ("steps is 0", {"steps": 0}),
        ("per_class 1", {"per_class": 1}),
        ("layer_decay is 2", {"layer_decay": 2.0}),
        ("embedding is 0", {"embedding": 0}),
    ):
        with pytest.raises(InputError, match=match):
            ObjectiveTuning(**options)
