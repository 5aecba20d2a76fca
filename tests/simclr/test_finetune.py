import copy

import pytest
import torch
from torch import nn

from eval.metrics.accuracy import scores
from eval.probes.end_to_end import fine_tune
from eval.splits.split import Split, hold_out, k_shot
from eval.subject.features import fingerprint
from simclr.data.images.digits import load_digits
from simclr.data.preprocess import fit_preprocess
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import TensorSource
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.finetune import FROM_SCRATCH, train_classifier
from simclr.models.encoder import random_encoder
from simclr.models.head import ProjectionHead
from simclr.train import classifier as tuned_model
from simclr.views.encoder_inputs import augmented_inputs

DIGITS = {"data": {"source": "digits"}, "augment": {"noise": {"sd": 0.1, "p": 0.5}}}


def digits_encoder():
    everything = load_digits()
    source = TensorSource(everything.images[:500], everything.labels[:500], value_max=everything.value_max)
    options = {"name": "resnet8", "in_chans": 1, "stem": "small", "width": 4}
    module = random_encoder(3, **options)
    module.train()(torch.randn(64, 1, 8, 8))  # so that BatchNorm's statistics are not the initial ones
    metadata = {"encoder": options, "feature_dim": module.feature_dim, "recipe": DIGITS}
    return FrozenEncoder(module, fit_preprocess(source), metadata), source


def norms(module):
    return [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def tensors(module):
    return [t.clone() for m in norms(module) for t in (*m.parameters(), *m.buffers())]


def test_it_learns_and_leaves_the_encoder_alone():
    encoder, source = digits_encoder()
    split = k_shot(source.labels, 20, 0)
    before = fingerprint(encoder)
    found = fine_tune(encoder, source, split, steps=30, lr=1e-2, **FROM_SCRATCH)
    assert scores(source.labels[split.test], found.classes)["oa"] > 0.7
    assert found.scores.shape == (len(split.test), 10)
    assert torch.equal(found.scores.argmax(1), found.classes)
    assert found.selected["validation_samples"] == 40
    assert fingerprint(encoder) == before
    assert not any(p.requires_grad for p in encoder.parameters())


def test_frozen_batchnorm_stays_bit_for_bit_and_the_other_policies_move_what_they_say():
    encoder, source = digits_encoder()
    train = k_shot(source.labels, 5, 0).train
    start = tensors(encoder.encoder)
    body = {
        policy: train_classifier(encoder, source, train, steps=5, batch_norm=policy).model[0]
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


def test_test_samples_and_their_labels_change_nothing():
    encoder, source = digits_encoder()
    split = k_shot(source.labels, 5, 1)
    shuffled = source.labels.clone()
    g = torch.Generator().manual_seed(0)
    shuffled[split.test] = shuffled[split.test][torch.randperm(len(split.test), generator=g)]
    other = copy.copy(source)
    other.images = source.images.clone()
    other.images[split.test] = 0
    a = train_classifier(encoder, source, split.train, steps=20)
    b = train_classifier(encoder, other, split.train, labels=shuffled, steps=20)
    assert a.selected == b.selected
    assert a.selected["validation_accuracy"] is not None
    assert all(torch.equal(x, y) for x, y in zip(a.model.state_dict().values(), b.model.state_dict().values()))
    c = fine_tune(encoder, source, split, labels=shuffled, steps=20)
    d = fine_tune(encoder, source, Split("given", split.train, split.test.flip(0)), steps=20)
    assert torch.equal(c.classes, d.classes.flip(0))


def test_the_stopping_point_is_the_best_on_held_out_training_samples(monkeypatch):
    import simclr.finetune as module

    encoder, source = digits_encoder()
    train = k_shot(source.labels, 10, 0).train
    seen, real = [], module.scores_of

    def spy(model, plain, ids):
        seen.append(ids)
        return real(model, plain, ids)

    for place in (module, tuned_model):
        monkeypatch.setattr(place, "scores_of", spy)
    tuned = train_classifier(encoder, source, train, steps=40)
    assert all(set(ids.tolist()) <= set(train.tolist()) for ids in seen)
    assert tuned.selected["steps"] in (10, 20, 30, 40)


def test_a_split_with_a_validation_part_chooses_its_steps_there_and_trains_on_all(monkeypatch):
    import simclr.finetune as module

    encoder, source = digits_encoder()
    split = hold_out(k_shot(source.labels, 10, 0), source.labels, 0.3)
    seen, real = [], module.scores_of

    def spy(model, plain, ids):
        seen.append(ids)
        return real(model, plain, ids)

    for place in (module, tuned_model):
        monkeypatch.setattr(place, "scores_of", spy)
    found = fine_tune(encoder, source, split, steps=20)
    assert found.selected["selected_on"] == "the split's validation part"
    assert found.selected["validation_samples"] == 30
    looked_at = {tuple(ids.tolist()) for ids in seen}
    assert looked_at == {tuple(ids.tolist()) for ids in (split.learned(), split.validation, split.test)}


def test_from_the_heads_first_layer():
    encoder, source = digits_encoder()
    train = k_shot(source.labels, 5, 0).train
    head = ProjectionHead(encoder.feature_dim, 24, 16)
    tuned = train_classifier(encoder, source, train, head=head.eval(), steps=3)
    assert tuned.model[3].in_features == 24
    assert not torch.equal(tuned.model[1][0].weight, head[0].weight)
    assert tuned.selected["from_layer"] == "first layer of the head"
    h = torch.randn(4, encoder.feature_dim)
    untouched = train_classifier(encoder, source, train, head=head, steps=1, lr=1e-30, validation=0)
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
    split = k_shot(scene.labels, 6, 0)
    found = fine_tune(encoder, scene, split, steps=40, virtual=True)
    assert scores(scene.labels[split.test], found.classes)["oa"] > 0.9
    assert found.selected["virtual_samples"]


def test_bad_input():
    encoder, source = digits_encoder()
    split = k_shot(source.labels, 2, 0)
    one = torch.nonzero(source.labels == 3).flatten()[:5]
    for match, train, settings in (
        ("batch_norm", split.train, {"batch_norm": "maybe"}),
        ("steps", split.train, {"steps": 0}),
        ("layer_decay", split.train, {"layer_decay": 0.0}),
        ("validation", split.train, {"validation": 1.0}),
        ("without a label", split.train, {"labels": torch.full_like(source.labels, -1)}),
        ("2 classes", one, {}),
    ):
        with pytest.raises(InputError, match=match):
            train_classifier(encoder, source, train, **settings)
    encoder.metadata.pop("recipe")
    with pytest.raises(InputError, match="no recipe"):
        train_classifier(encoder, source, split.train)
    assert train_classifier(encoder, source, split.train, augment=False, steps=1).selected["augment"] is False
