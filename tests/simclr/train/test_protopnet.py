import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import simclr.finetune
from simclr import load_encoder
from simclr.data.images.digits import load_digits
from simclr.errors import InputError
from simclr.finetune import fine_tune
from simclr.losses.objectives import build_objective
from simclr.models.encoder import random_encoder
from simclr.models.prototypes import Prototyped
from simclr.recipe.read import apply_overrides, check_tuning
from simclr.run.checkpoint import newest_state
from simclr.run.start import Start, take_weights
from simclr.train.protopnet import ProtoPNet, push, scatter
from simclr.train.tuned import Learned

pytestmark = pytest.mark.usefixtures("fresh_accelerate")
# Two steps an epoch; pushes before the steps 4 and 8, and after the last one.
TINY = {
    "data": {"source": "digits"},
    "augment": {"noise": {"sd": 0.1, "p": 0.5}},
    "encoder": {"name": "pyramid2", "width": 4},
    "system": {"name": "protopnet", "options": {"per_class": 1, "dim": 6, "rest": 1, "push": 2}},
    "objective": {"softmax": {}},
    "labels": {"shots": 8},
    "train": {"max_steps": 11, "batch_size": 40, "lr": 1e-2, "checkpoint_every": 4},
}
ENCODER = {"name": "pyramid2", "in_chans": 1, "width": 4}


def recipe(*overrides):
    return check_tuning(apply_overrides(TINY, overrides))


def layer_and_images(n=50):
    generator = torch.Generator().manual_seed(0)
    x, targets = torch.rand(n, 1, 8, 8, generator=generator), torch.arange(n) % 4 - 1  # some without a label
    layer = random_encoder(0, **ENCODER, prototypes={"classes": 3, "per_class": 2, "dim": 5}).eval()
    return layer, x, Learned((targets >= 0).nonzero()[:, 0], targets, lambda ids: x[ids])


@pytest.mark.parametrize("at_once", [7, 256])
def test_a_push_puts_each_prototype_on_the_nearest_place_of_its_class(monkeypatch, at_once):
    monkeypatch.setattr("simclr.train.protopnet._AT_ONCE", at_once)
    layer, x, learned = layer_and_images()
    before, places = layer.prototypes.detach().clone(), layer.places(x).detach()
    moved = push(layer, learned)
    nearest = []
    for p, c in enumerate(layer.class_of.tolist()):
        found = {
            (i, r, k): (places[i, :, r, k] - before[p]).square().sum().item()
            for i in (learned.targets == c).nonzero()[:, 0].tolist()
            for r in range(places.shape[2])
            for k in range(places.shape[3])
        }
        i, r, k = min(found, key=found.get)
        assert (int(layer.sample[p]), *layer.place[p].tolist()) == (i, r, k)
        assert torch.allclose(layer.prototypes[p], places[i, :, r, k], atol=1e-6)
        nearest.append(found[i, r, k])
    assert moved == pytest.approx(sum(nearest) / len(nearest), rel=1e-5)
    # What is a place already stays.
    after, sample = layer.prototypes.detach().clone(), layer.sample.clone()
    assert push(layer, learned) == pytest.approx(0, abs=1e-9)
    assert torch.allclose(layer.prototypes, after, atol=1e-6)
    assert torch.equal(layer.sample, sample)


def test_prototypes_begin_as_places_of_images_of_their_class():
    layer, x, learned = layer_and_images()
    places, found = layer.places(x).detach(), []
    for seed in (3, 3, 4):
        scatter(layer, learned, seed)
        found.append(layer.prototypes.detach().clone())
        for p, c in enumerate(layer.class_of.tolist()):
            own = places[learned.targets == c].movedim(1, -1).flatten(0, 2)
            assert (own - found[-1][p]).square().sum(1).min() < 1e-9
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert not torch.equal(found[0][0], found[0][1])


def test_phases():
    encoder = random_encoder(0, **ENCODER)
    objective = build_objective({"softmax": {}}, feature_dim=8, classes=3)
    model = ProtoPNet(encoder, objective, classes=3, per_class=2, dim=5, rest=2, push=3)
    _, _, learned = layer_and_images()
    assert objective.classifier.linear is model.encoder.last
    pushed = []
    for epoch in range(8):
        model.begin_epoch(epoch, learned)
        pushed += [epoch for note in model.notes() if "pushed" in note]
        assert [p is q for p, q in zip(model.resting(), encoder.parameters())] == [True] * 6 * (epoch < 2)
    assert pushed == [3, 6]
    assert not torch.equal(model.encoder.last.weight, torch.where(model.encoder.own(), 1.0, -0.5))
    assert all(module.training for module in model.modules())


def test_its_value_is_the_sum_of_three():
    encoder = random_encoder(0, **ENCODER)
    objective = build_objective({"softmax": {}}, feature_dim=8, classes=3)
    model = ProtoPNet(encoder, objective, classes=3, per_class=2, dim=5, cluster=0.5, separation=0.25)
    x, labels = torch.rand(6, 1, 8, 8), torch.tensor([0, 0, 1, 1, 2, 2])
    e, value = model(x, labels)
    d = model.encoder.nearest(x)
    own = labels[:, None] == model.encoder.class_of
    logits = e @ torch.where(model.encoder.own(), 1.0, -0.5).T
    expected = torch.nn.functional.cross_entropy(logits, labels)
    expected += 0.5 * d[own].view(6, 2).amin(1).mean() - 0.25 * d[~own].view(6, 4).amin(1).mean()
    assert value.total.item() == pytest.approx(expected.item(), rel=1e-5)


def test_another_fine_tuning_starts_from_the_encoder_behind_the_prototypes():
    layer, _, _ = layer_and_images()
    start = Start(Path("there"), SimpleNamespace(encoder=layer), "digest")
    for embedding in (None, {"dim": 3}):
        encoder = random_encoder(1, **ENCODER, embedding=embedding)
        take_weights(encoder, start)
        weights = (encoder if embedding is None else encoder.encoder).state_dict()
        assert all(torch.equal(value, weights[name]) for name, value in layer.encoder.state_dict().items())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["objective.center={}"], r"^system\.name is protopnet, .* objective is softmax \+ center: softmax alone"),
        (["system.options.push=0"], r"^system\.options\.push is 0"),
        (["system.options.level=5"], r"^system\.options\.level is 5, but the encoder has 2 maps"),
        (["system.options.per_class=0"], r"^system\.options\.per_class is 0"),
        (["embedding.dim=5"], r"^prototypes are places .* without an embedding layer \(embedding=null\)"),
    ],
)
def test_what_cannot_be_is_refused_before_the_run(tmp_path, given, message):
    with pytest.raises(InputError, match=message):
        fine_tune(recipe(*given), tmp_path / "run")
    assert not (tmp_path / "run").exists()


class PowerCutError(Exception):
    pass


@pytest.mark.slow
def test_a_run_resumes_bit_for_bit_across_pushes_and_its_prototypes_are_places_of_images(tmp_path, monkeypatch):
    said: list[str] = []
    fine_tune(recipe(), tmp_path / "whole", say=said.append)
    monkeypatch.setattr(simclr.finetune, "draw_prototypes", lambda *given: None)
    assert [text.split(",")[0].strip() for text in said if "pushed" in text] == [f"after {n} epochs" for n in (2, 4, 6)]
    updates = []

    def cut(optimizer, lr):
        updates.append(lr)
        if len(updates) == 7:
            raise PowerCutError
        for group in optimizer.param_groups:
            group["lr"] = lr

    with monkeypatch.context() as patch:
        patch.setattr("simclr.train.tuning_step.set_lr", cut)
        with pytest.raises(PowerCutError):
            fine_tune(recipe(), tmp_path / "cut")
    assert newest_state(tmp_path / "cut" / "checkpoints") == "step-00000004.pt"
    for _ in range(2):  # the second time, nothing is left to do but the end
        fine_tune(recipe(), tmp_path / "cut", resume=True)
        whole, cut_off = (load_encoder(tmp_path / run) for run in ("whole", "cut"))
        state = whole.encoder.state_dict()
        assert all(torch.equal(value, cut_off.encoder.state_dict()[name]) for name, value in state.items())

    layer, digits = whole.encoder, load_digits()
    assert isinstance(layer, Prototyped)
    assert (whole.feature_dim, layer.feature_dim) == (10, 10)
    told = whole.metadata["prototypes"]
    for p, prototype in enumerate(told):
        assert prototype["class"] == str(int(digits.labels[prototype["sample"]])) == str(p)
        assert prototype["sample"] in whole.metadata.labels.ids
        row, column = prototype["place"]
        x = whole.preprocess(digits.images[prototype["sample"]][None])
        assert layer.distances(layer.places(x))[0, p, row, column].item() < 1e-9
        assert whole(x)[0, p].item() == pytest.approx(9.2103, abs=1e-3)
    assert (tmp_path / "whole" / "prototypes.png").is_file()
    assert whole.random_twin(0)(x).shape == (1, 10)


@pytest.mark.slow
def test_two_processes_are_one(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps({**TINY, "train": {**TINY["train"], "lr": 1e-3, "max_steps": 7}}))
    fine_tune(recipe("train.lr=1e-3", "train.max_steps=7"), tmp_path / "one")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command = [*launch, "-m", "simclr", "fine-tune", str(path), "--output", str(tmp_path / "two")]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, capture_output=True, timeout=300)
    one, two = (load_encoder(tmp_path / run).encoder.state_dict() for run in ("one", "two"))
    for name in one:
        # What hardly learned has similarities that are almost equal, and a rounding of them moves these weights.
        atol = 0.1 if name == "last.weight" else 1e-3
        assert torch.allclose(one[name].double(), two[name].double(), atol=atol), name
    assert torch.equal(one["sample"], two["sample"])
