import copy
from dataclasses import asdict, replace

import pytest
import torch

from simclr.data import TensorSource
from simclr.data.fitting import fit_preprocess
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.eval.probes import end_to_end, tuned_classifier
from simclr.eval.probes.end_to_end import fine_tune, fine_tuned_scores, supervised_scores
from simclr.eval.probes.tuned_classifier import FROM_SCRATCH
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.split import Split, given, hold_out, k_shot
from simclr.eval.splits.validation import validation_part
from simclr.eval.subject.features import fingerprint
from simclr.models.encoder import random_encoder, seeded
from simclr.models.head import ProjectionHead
from simclr.train import classifier


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch):
    monkeypatch.setattr(end_to_end, "STEPS", 50)


@pytest.fixture
def looked_at(monkeypatch):
    """Ids of the samples that a model in training is asked about, each time."""
    seen, real = [], tuned_classifier.scores_of

    def spy(model, plain, ids):
        seen.append(tuple(ids.tolist()))
        return real(model, plain, ids)

    for place in (tuned_classifier, classifier):
        monkeypatch.setattr(place, "scores_of", spy)
    return seen


def source(n, seed):
    """Two classes that differ in the red channel."""
    labels = torch.arange(n) % 2
    images = torch.randint(0, 120, (n, 3, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    images[labels == 1, 0] += 130
    return TensorSource(images, labels)


def frozen(data, seed):
    options = {"name": "resnet8", "in_chans": 3, "width": 4, "stem": "small"}
    network = random_encoder(seed, **options)
    return FrozenEncoder(network, fit_preprocess(data), {"encoder": options, "feature_dim": network.feature_dim})


def with_recipe(encoder):
    recipe = {"data": {"source": "digits"}, "augment": {"horizontal_flip": {"p": 0.5}}}
    return FrozenEncoder(encoder.encoder, encoder.preprocess, {**encoder.metadata, "recipe": recipe})


def test_it_learns_from_the_labels_alone_and_not_from_the_pretrained_weights():
    train, test = source(40, 0), source(30, 1)
    data = LabelledData(train, test)
    split = given(range(40), range(40, 70))
    found = supervised_scores(frozen(train, 0), data, [split], seeds=(0, 1))
    assert [score.seed for score in found] == [0, 1]
    assert all(score.metrics["oa"] > 0.9 for score in found)
    (again,) = supervised_scores(frozen(train, 77), data, [split], seeds=(1,))
    assert again.metrics == found[1].metrics


def test_test_labels_change_the_score_but_nothing_else():
    train = source(40, 0)
    split = k_shot(train.labels, 8, 3)
    (score,) = supervised_scores(frozen(train, 0), LabelledData(train), [split], seeds=(0, 1))
    flipped = TensorSource(train.images, train.labels.clone())
    flipped.labels[split.test] = 1 - flipped.labels[split.test]
    (other,) = supervised_scores(frozen(train, 0), LabelledData(flipped), [split], seeds=(0, 1))
    assert score.seed == 3
    assert other.metrics["oa"] == pytest.approx(1 - score.metrics["oa"])
    assert other.selected == score.selected


def test_fine_tuning_learns_and_leaves_the_encoder_alone():
    data = source(80, 0)
    encoder, split = with_recipe(frozen(data, 0)), k_shot(data.labels, 20, 0)
    before = fingerprint(encoder)
    found = fine_tune(encoder, data, split, **asdict(replace(FROM_SCRATCH, steps=30, lr=1e-2)))
    assert (found.classes == data.labels[split.test]).double().mean() > 0.9
    assert found.scores.shape == (len(split.test), 2)
    assert torch.equal(found.scores.argmax(1), found.classes)
    assert fingerprint(encoder) == before
    assert not any(p.requires_grad for p in encoder.parameters())


def test_fine_tuning_never_sees_test_labels_nor_the_order_of_test_samples():
    data = source(60, 0)
    split = k_shot(data.labels, 8, 1)
    flipped = copy.copy(data)
    flipped.labels = data.labels.clone()
    flipped.labels[split.test] = 1 - flipped.labels[split.test]
    a = fine_tune(frozen(data, 0), flipped, split, augment=False, steps=20)
    b = fine_tune(frozen(data, 0), data, Split("given", split.train, split.test.flip(0)), augment=False, steps=20)
    assert a.selected == b.selected
    torch.testing.assert_close(a.scores, b.scores.flip(0))


@pytest.mark.slow
def test_what_is_recorded_of_a_training():
    data = source(60, 0)
    encoder, split = with_recipe(frozen(data, 0)), k_shot(data.labels, 10, 4)
    with seeded(0):
        head = ProjectionHead(encoder.feature_dim, 12, 8).eval()
    (score,) = fine_tuned_scores(encoder, LabelledData(data), [split], head, virtual=True, lr=1e-30)
    assert (score.seed, score.probe) == (4, "fine-tune")
    accuracy = score.selected["validation_accuracy"]
    assert 4 * accuracy in range(5)
    assert list(score.selected.items()) == [
        ("steps", 50),
        ("most_steps", 50),
        ("selected_on", "20 % of the training samples of each class, held out"),
        ("validation_samples", 4),
        ("validation_accuracy", accuracy),
        ("from_layer", "first layer of the head"),
        ("augment", True),
        ("virtual_samples", True),
        ("optimizer", "adamw"),
        ("lr", 1e-30),
        ("layer_decay", 0.65),
        ("weight_decay", 1e-4),
        ("batch_size", 20),
        ("batch_norm", "frozen"),
    ]
    (score,) = supervised_scores(frozen(data, 0), LabelledData(data), [split], seeds=())
    told = ("steps", "selected_on", "validation_samples", "validation_accuracy", "from_layer", "augment", "batch_norm")
    assert [score.selected[key] for key in told] == [50, "nothing, it is fixed", 0, None, "h", False, "train"]
    assert score.selected["layer_decay"] == 1.0


def test_a_share_of_each_class_is_held_out_by_the_seed_and_then_learned_too(looked_at):
    data = source(60, 0)
    split = k_shot(data.labels, 10, 4)
    fine_tuned_scores(frozen(data, 0), LabelledData(data), [split], steps=10)
    held_out = split.train[validation_part(data.labels[split.train], seed=4)[1]]
    assert set(looked_at) == {tuple(ids.tolist()) for ids in (split.train, held_out, split.test)}


def test_a_split_with_a_validation_part_chooses_its_steps_there_and_trains_on_all(looked_at):
    data = source(60, 0)
    split = hold_out(k_shot(data.labels, 10, 0), data.labels, 0.3)
    found = fine_tune(frozen(data, 0), data, split, augment=False, steps=20)
    assert found.selected["selected_on"] == "the split's validation part"
    assert found.selected["validation_samples"] == 6
    assert set(looked_at) == {tuple(ids.tolist()) for ids in (split.learned(), split.validation, split.test)}


def test_training_from_scratch_takes_all_steps_whatever_the_split_holds_out(looked_at):
    data = source(60, 0)
    split = hold_out(k_shot(data.labels, 10, 0), data.labels, 0.3)
    (score,) = supervised_scores(frozen(data, 0), LabelledData(data), [split], seeds=())
    assert score.selected["selected_on"] == "nothing, it is fixed"
    assert set(looked_at) == {tuple(ids.tolist()) for ids in (split.learned(), split.test)}


def test_where_no_class_can_spare_a_sample_nothing_is_held_out():
    data = source(30, 0)
    found = fine_tune(frozen(data, 0), data, k_shot(data.labels, 3, 0), augment=False, steps=11)
    told = ("steps", "selected_on", "validation_samples", "validation_accuracy")
    assert [found.selected[key] for key in told] == [11, "nothing, it is fixed", 0, None]


def test_bad_input():
    data = source(40, 0)
    split = k_shot(data.labels, 5, 0)
    one = Split("given", torch.arange(0, 20, 2), torch.arange(31, 40), validation=torch.arange(20, 30, 2))
    for match, on, settings in (
        ("validation share is 1.0", split, {"share": 1.0}),
        ("layer_decay is 2", split, {"layer_decay": 2}),
        ("at least 2 classes, got 1", one, {}),
        ("no recipe", split, {"augment": True}),
    ):
        with pytest.raises(InputError, match=match):
            fine_tune(frozen(data, 0), data, on, **{"augment": False, **settings})
