import copy

import pytest
import torch
from torch import nn

from simclr.data.fitting import fit_preprocess
from simclr.data.images.digits import load_digits
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import TensorSource
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.eval.probes.tuned_classifier import FineTuning, train_classifier, tuned_logits
from simclr.models.encoder import random_encoder
from simclr.models.head import ProjectionHead
from simclr.train import classifier
from simclr.views.encoder_inputs import augmented_inputs

DIGITS = {"data": {"source": "digits"}, "augment": {"noise": {"sd": 0.1, "p": 0.5}}}
NONE = torch.empty(0, dtype=torch.int64)


def digits_encoder():
    everything = load_digits()
    source = TensorSource(everything.images[:500], everything.labels[:500], value_max=everything.value_max)
    options = {"name": "resnet8", "in_chans": 1, "stem": "small", "width": 4}
    module = random_encoder(3, **options)
    module.train()(torch.randn(64, 1, 8, 8))  # so that BatchNorm's statistics are not the initial ones
    metadata = {"encoder": options, "feature_dim": module.feature_dim, "recipe": DIGITS}
    return FrozenEncoder(module, fit_preprocess(source), metadata), source


def few(labels, shots):
    """The first ids of each class, and the rows of the first of them in each."""
    first = [torch.nonzero(labels == c).flatten()[:shots] for c in labels[labels >= 0].unique()]
    train = torch.cat(first).sort().values
    return train, torch.nonzero(torch.isin(train, torch.stack([ids[0] for ids in first]))).flatten()


def norms(module):
    return [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def tensors(module):
    return [t.clone() for m in norms(module) for t in (*m.parameters(), *m.buffers())]


def test_frozen_batchnorm_stays_bit_for_bit_and_the_other_policies_move_what_they_say():
    encoder, source = digits_encoder()
    train, held_out = few(source.labels, 5)
    start = tensors(encoder.encoder)
    body = {
        policy: train_classifier(encoder, source, train, held_out, FineTuning(steps=5, batch_norm=policy)).model[0]
        for policy in ("frozen", "affine", "train")
    }
    assert all(torch.equal(a, b) for a, b in zip(tensors(body["frozen"]), start))
    assert not torch.equal(body["frozen"].conv1.weight, encoder.encoder.conv1.weight)
    for after, original in zip(norms(body["affine"]), norms(encoder.encoder)):
        assert torch.equal(after.running_mean, original.running_mean)
        assert torch.equal(after.running_var, original.running_var)
    assert any(not torch.equal(a.bias, b.bias) for a, b in zip(norms(body["affine"]), norms(encoder.encoder)))
    for after, original in zip(norms(body["train"]), norms(encoder.encoder)):
        assert not torch.equal(after.running_mean, original.running_mean)


def test_other_samples_and_their_labels_change_nothing():
    encoder, source = digits_encoder()
    train, held_out = few(source.labels, 5)
    others = torch.nonzero(~torch.isin(torch.arange(len(source)), train)).flatten()
    other = copy.copy(source)
    other.images, other.labels = source.images.clone(), source.labels.clone()
    other.images[others] = 0
    other.labels[others] = other.labels[others.flip(0)]
    a, b = (train_classifier(encoder, s, train, held_out, FineTuning(steps=20)) for s in (source, other))
    assert a.selected == b.selected
    assert a.selected.accuracy is not None
    assert all(torch.equal(x, y) for x, y in zip(a.model.state_dict().values(), b.model.state_dict().values()))


@pytest.mark.parametrize("steps", [40, 43])
def test_the_stopping_point_is_the_best_on_held_out_training_samples(steps, monkeypatch):
    import simclr.eval.probes.tuned_classifier as module

    encoder, source = digits_encoder()
    train, held_out = few(source.labels, 10)
    seen, looks, real = [], [], module.scores_of

    def spy(model, plain, ids):
        scores = real(model, plain, ids)
        seen.append(ids)
        if torch.equal(ids, train[held_out]):
            looks.append((scores.argmax(1) == source.labels[ids]).double().mean().item())
        return scores

    for place in (module, classifier):
        monkeypatch.setattr(place, "scores_of", spy)
    tuned = train_classifier(encoder, source, train, held_out, FineTuning(steps=steps, lr=2e-2, batch_norm="train"))
    assert all(set(ids.tolist()) <= set(train.tolist()) for ids in seen)
    at = [10, 20, 30, 40, 43][: len(looks)]
    assert at[-1] == steps
    best = max(zip(looks, at))  # the largest of equals
    assert (tuned.selected.accuracy, tuned.selected.steps) == best
    assert best[0] > min(looks)


def test_where_nothing_is_held_out_all_steps_are_taken():
    encoder, source = digits_encoder()
    train, _ = few(source.labels, 5)
    tuned = train_classifier(encoder, source, train, NONE, FineTuning(steps=7))
    assert tuned.selected == (7, None)


def test_the_best_number_of_steps_is_trained_anew_on_the_whole_training_part():
    encoder, source = digits_encoder()
    train, held_out = few(source.labels, 5)
    settings = FineTuning(steps=10)  # one look, which is then the best
    a, b = (train_classifier(encoder, source, train, rows, settings).model.state_dict() for rows in (held_out, NONE))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_from_the_heads_first_layer():
    encoder, source = digits_encoder()
    train, held_out = few(source.labels, 5)
    head = ProjectionHead(encoder.feature_dim, 24, 16)
    tuned = train_classifier(encoder, source, train, held_out, FineTuning(steps=3), head=head.eval())
    assert tuned.model[3].in_features == 24
    assert not torch.equal(tuned.model[1][0].weight, head[0].weight)
    h = torch.randn(4, encoder.feature_dim)
    untouched = train_classifier(encoder, source, train, NONE, FineTuning(steps=1, lr=1e-30), head=head)
    torch.testing.assert_close(untouched.model[1](h), torch.relu(head[1](head[0](h))))


def test_a_scene_keeps_its_centre_and_draws_no_neighbour():
    g = torch.Generator().manual_seed(0)
    truth = torch.ones(12, 12, dtype=torch.int64)
    truth[:, 6:] = 2
    scene = SceneSource(torch.randn(6, 12, 12, generator=g) + truth, truth, patch_size=3)
    options = {"name": "spectral_spatial", "in_chans": 6, "width": 8}
    module = random_encoder(0, **options)
    recipe = {
        "data": {"source": "indian-pines", "patch_size": 3},
        "augment": {"center_shift": {"shift": 3}, "horizontal_flip": {"p": 0.5}, "rotation90": {}},
    }
    encoder = FrozenEncoder(
        module, fit_preprocess(scene), {"encoder": options, "feature_dim": module.feature_dim, "recipe": recipe}
    )
    ids = torch.arange(0, 144, 7)
    drawn = augmented_inputs(encoder, scene, 0, "cpu")(ids, 4)
    assert torch.equal(drawn[:, :, 1, 1], encoder.preprocess.scene(scene)[ids][:, :, 1, 1])
    train = torch.randperm(144, generator=g)[:12].sort().values
    tuned = train_classifier(encoder, scene, train, torch.tensor([0, 11]), FineTuning(steps=40, virtual=True))
    test = torch.nonzero(~torch.isin(torch.arange(144), train)).flatten()
    found = tuned.classes[tuned_logits(tuned, encoder, scene, test).argmax(1)]
    assert (found == scene.labels[test]).double().mean() > 0.9


@pytest.mark.parametrize(
    ("match", "setting"),
    [
        ("batch_norm is 'maybe': choose one of frozen, affine, train", {"batch_norm": "maybe"}),
        ("steps is 0 and batch_size 64: give at least 1 step", {"steps": 0}),
        ("steps is 200 and batch_size 3: give at least 1 step and 4 samples", {"batch_size": 3}),
        ("layer_decay is 0.0: it is a factor above 0 and at most 1", {"layer_decay": 0.0}),
        ("layer_decay is 1.5", {"layer_decay": 1.5}),
    ],
)
def test_settings_out_of_range(match, setting):
    with pytest.raises(InputError, match=match):
        FineTuning(**setting)


def test_bad_input():
    encoder, source = digits_encoder()
    train, _ = few(source.labels, 2)
    unlabelled, without = copy.copy(source), copy.copy(source)
    unlabelled.labels, without.labels = torch.full_like(source.labels, -1), None
    one = torch.nonzero(source.labels == 3).flatten()[:5]
    for match, samples, ids in (
        ("without a label", unlabelled, train),
        ("without a label", without, train),
        ("at least 2 classes, got 1", source, one),
    ):
        with pytest.raises(InputError, match=match):
            train_classifier(encoder, samples, ids, NONE, FineTuning())
    without_recipe = {key: value for key, value in encoder.metadata.items() if key != "recipe"}
    encoder = FrozenEncoder(encoder.encoder, encoder.preprocess, without_recipe)
    with pytest.raises(InputError, match="no recipe"):
        train_classifier(encoder, source, train, NONE, FineTuning())
    assert train_classifier(encoder, source, train, NONE, FineTuning(augment=False, steps=1)).selected.steps == 1
