"""The loop of fine-tuning, run for real on the digits."""

import json
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from simclr import load_encoder
from simclr.data.images.digits import load_digits
from simclr.errors import DivergenceError, InputError, StoppedError
from simclr.eval.linear_eval import linear_eval
from simclr.eval.subject.subject import subject_of
from simclr.finetune import fine_tune
from simclr.pretrain import pretrain
from simclr.recipe.read import apply_overrides, check_tuning, read_experiment, read_recipe
from simclr.run.checkpoint import newest_state
from simclr.run.start import read_tuning
from simclr.train.optimizer import set_lr

pytestmark = pytest.mark.usefixtures("fresh_accelerate")
TINY = {
    "data": {"source": "digits"},
    "augment": {"noise": {"sd": 0.1, "p": 0.5}},
    "encoder": {"name": "pyramid2", "width": 4},
    "train": {"max_steps": 12, "classes": 10, "checkpoint_every": 4},
}
TRIPLET, CENTER = "objective.triplet={}", "objective={softmax: {}, center: {weight: 0.003}}"


def recipe(*overrides):
    return check_tuning(apply_overrides(TINY, overrides))


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def losses(folder):
    return [line["loss"] for line in metrics(folder)]


def weights(folder):
    return load_encoder(folder).encoder.state_dict()


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    from accelerate.state import AcceleratorState

    folder = tmp_path_factory.mktemp("pretrained")
    AcceleratorState._reset_state(reset_partial_state=True)
    pretrain(read_recipe("digits", ["encoder.width=4", "train.batch_size=128", "train.max_steps=3"]), folder)
    return folder


@pytest.mark.draws
def test_a_run_is_a_folder_that_explains_itself(tmp_path):
    said: list[str] = []
    asked = recipe(TRIPLET, "embedding.dim=6", "monitor.every=5", "labels={shots: 20, unknown: [8, 9]}")
    asked = asked.model_copy(update={"train": asked.train.model_copy(update={"classes": 5})})
    numbers = fine_tune(asked, tmp_path, say=said.append)

    assert read_experiment(tmp_path / "recipe.yaml") == asked
    lines = metrics(tmp_path)
    assert [line["step"] for line in lines] == list(range(12))
    assert [line["step"] for line in lines if "triplet/active" in line] == [4, 9, 11]
    assert numbers["samples_seen"] == 12 * 5 * 4
    assert (tmp_path / "views.png").exists()
    text = "\n".join(said)
    for words in (
        "160 of 1,797 samples of digits, 8 classes (20 of each class, drawn by seed 0)",
        "from random weights",
        "unknown: 8, 9",
        "objective: 1 triplet; batches of 5 classes with 4 samples",
    ):
        assert words in text

    encoder, labels = load_encoder(tmp_path), load_digits().labels
    e = encoder(encoder.preprocess(load_digits().images[:7]))
    assert e.shape == (7, 6)
    assert torch.allclose(e.norm(dim=1), torch.ones(7))
    assert encoder.metadata.feature_dim == encoder.feature_dim == 6
    assert encoder.random_twin(0)(encoder.preprocess(load_digits().images[:7])).shape == (7, 6)
    seen = encoder.metadata.labels
    assert labels[list(seen.ids)].bincount(minlength=10).tolist() == [20] * 8 + [0, 0]
    assert (seen.classes, seen.unknown) == (tuple("01234567"), ("8", "9"))


def test_fine_tuning_separates_the_classes_of_samples_that_it_has_not_seen(tmp_path):
    def nearest_mean(folder):
        encoder, digits = load_encoder(folder), load_digits()
        e = encoder(encoder.preprocess(digits.images))
        train = torch.tensor(encoder.metadata.labels.ids)
        test = torch.ones(len(e), dtype=torch.bool)
        test[train] = False
        means = torch.stack([e[train][digits.labels[train] == c].mean(0) for c in range(10)])
        return (torch.cdist(e[test], means).argmin(1) == digits.labels[test]).double().mean()

    long = ["labels.shots=20", "train.max_steps=40", "train.lr=1e-2", "encoder.width=8", "embedding.dim=16"]
    fine_tune(recipe(TRIPLET, *long, "train.lr=1e-9"), tmp_path / "untrained")
    fine_tune(recipe(TRIPLET, *long), tmp_path / "triplet")
    fine_tune(recipe(CENTER, *long), tmp_path / "center")
    assert min(nearest_mean(tmp_path / "triplet"), nearest_mean(tmp_path / "center")) > 0.9
    assert nearest_mean(tmp_path / "untrained") < 0.8


class PowerCutError(Exception):
    pass


STRANGERS = "objective={softmax: {}, reconstruction: {}, adversarial: {share: 0.1}}"


@pytest.mark.parametrize(
    "objective",
    [
        CENTER,
        STRANGERS,
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in (TRIPLET, "objective.margin={}", "objective={sup-con: {}, hinge: {weight: 0.1}}")
        ),
    ],
)
def test_a_run_that_was_cut_off_resumes_bit_for_bit(tmp_path, monkeypatch, objective):
    asked = recipe(objective, "embedding.dim=5", *(["encoder.name=skip_generator"] if objective == STRANGERS else []))
    fine_tune(asked, tmp_path / "whole")
    updates = []

    def cut(optimizer, lr):
        updates.append(lr)
        if len(updates) == 7:  # three steps after a run state
            raise PowerCutError
        for group in optimizer.param_groups:
            group["lr"] = lr

    with monkeypatch.context() as patch:
        patch.setattr("simclr.train.tuning_step.set_lr", cut)
        with pytest.raises(PowerCutError):
            fine_tune(asked, tmp_path / "cut")
    assert newest_state(tmp_path / "cut" / "checkpoints") == "step-00000004.pt"
    fine_tune(asked, tmp_path / "cut", resume=True)
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    states = [
        torch.load(tmp_path / run / "checkpoints" / "step-00000012.pt", weights_only=True)["model"]
        for run in ("whole", "cut")
    ]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    if "center" in objective:
        assert states[0]["objective.modules_of_terms.center.centers"].abs().max() > 0


def test_a_signal_ends_the_run_after_its_step_with_a_state_to_go_on_from(tmp_path, monkeypatch):
    real = set_lr
    asked = recipe(TRIPLET)

    def stop(optimizer, lr):
        real(optimizer, lr)
        os.kill(os.getpid(), 15)

    with monkeypatch.context() as patch:
        patch.setattr("simclr.train.tuning_step.set_lr", stop)
        with pytest.raises(StoppedError, match=r"--resume goes on from .*step-00000001\.pt"):
            fine_tune(asked, tmp_path)
    with pytest.raises(InputError, match=r"holds the run of another recipe: train.lr was 0.001, now it is 0.01"):
        fine_tune(recipe(TRIPLET, "train.lr=0.01"), tmp_path, resume=True)
    assert fine_tune(asked, tmp_path, resume=True)["steps"] == 12


def test_a_run_is_where_another_one_starts(tmp_path, pretrained):
    asked = read_tuning(str(pretrained), [TRIPLET, "train.max_steps=1", "train.lr=1e-12", "train.weight_decay=0"])
    assert asked.data == read_recipe(pretrained / "recipe.yaml").data
    assert asked.augment == read_recipe(pretrained / "recipe.yaml").augment
    fine_tune(asked, tmp_path / "run")
    before, after = weights(pretrained), weights(tmp_path / "run")
    assert all(
        torch.allclose(before[name], after[name]) for name in before if "running" not in name and "batches" not in name
    )
    assert load_encoder(tmp_path / "run").metadata["started_from"]["file"] == str(pretrained / "encoder.safetensors")

    # The embedding layer is new, then carried on, then another one.
    again = read_tuning(str(tmp_path / "run"), [CENTER, "embedding.dim=3", "train.max_steps=2"])
    fine_tune(again, tmp_path / "embedded")
    third = read_tuning(str(tmp_path / "embedded"), [TRIPLET, "train.max_steps=1", "train.lr=1e-12"])
    assert third.embedding is not None
    assert third.embedding.dim == 3
    fine_tune(third, tmp_path / "third")
    name = "embedding.weight"
    assert torch.allclose(weights(tmp_path / "third")[name], weights(tmp_path / "embedded")[name])
    fine_tune(
        read_tuning(str(tmp_path / "embedded"), [TRIPLET, "embedding.dim=4", "train.max_steps=1"]), tmp_path / "fourth"
    )
    assert weights(tmp_path / "fourth")[name].shape[0] == 4


def test_a_run_that_goes_on_has_to_start_from_the_same_file(tmp_path, pretrained):
    start = tmp_path / "start.safetensors"
    start.write_bytes((pretrained / "encoder.safetensors").read_bytes())
    asked = read_tuning(str(start), [TRIPLET, "train.max_steps=2"])
    fine_tune(asked, tmp_path / "run")
    (tmp_path / "run" / "encoder.safetensors").unlink()  # not quite to its end
    fine_tune(read_tuning(str(pretrained), [TRIPLET, "train.max_steps=2"]), tmp_path / "other")
    start.write_bytes((tmp_path / "other" / "encoder.safetensors").read_bytes())
    with pytest.raises(InputError, match=r"is not what the run in .* started from"):
        fine_tune(asked, tmp_path / "run", resume=True)


def test_labels_that_were_seen_are_left_out_of_every_test(tmp_path, pretrained):
    few = ["labels.shots=5", "train.max_steps=2", TRIPLET]
    fine_tune(read_tuning(str(pretrained), few), tmp_path / "few")
    encoder, digits = load_encoder(tmp_path / "few"), load_digits()
    seen = set(encoder.metadata.labels.ids)
    assert len(seen) == 50
    assert set(subject_of(encoder, digits).excluded.tolist()) == seen
    result = linear_eval(encoder, digits, seeds=(0,), probes=("knn",), supervised=False)
    assert result["excluded"] == {"samples": 50, "why": "fine-tuning has seen their labels"}
    assert result["encoder"]["fine_tuned"]["rule"] == "5 of each class, drawn by seed 0"

    # Known again by content, wherever the samples lie.
    turned = type(digits)(digits.images.flip(0), digits.labels.flip(0), value_max=digits.value_max)
    assert set(subject_of(encoder, turned).excluded.tolist()) == {1796 - i for i in seen}

    # What the start had seen stays seen.
    fine_tune(read_tuning(str(tmp_path / "few"), ["labels.seed=1", *few]), tmp_path / "again")
    both = load_encoder(tmp_path / "again")
    assert set(subject_of(both, digits).excluded.tolist()) == seen | set(both.metadata.labels.ids)

    fine_tune(read_tuning(str(pretrained), few[1:]), tmp_path / "all")
    with pytest.raises(InputError, match="has seen the label of every sample"):
        linear_eval(load_encoder(tmp_path / "all"), digits, seeds=(0,), probes=("knn",), supervised=False)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["objective.tripplet={}"], "there is no objective 'tripplet' .*did you mean triplet"),
        (["objective.triplet.margn=1"], "objective.triplet.margn is no argument of triplet: did you mean margin?"),
        (["objective.triplet.margin=-1"], "objective.triplet.margin is -1"),
        (["objective.center.weight=0"], "objective.center.weight is 0, but must be a number above 0"),
        (["objective.prototypical.shots=4"], "objective prototypical: no class of the batch has more than 4 samples"),
        ([TRIPLET, "train.classes=11"], "train.classes is 11, but the labels have 10 classes"),
        ([TRIPLET, "labels.unknown=[0, 1, 2, 3, 4, 5, 6, 7, 8]"], "has 1 class to learn"),
        ([TRIPLET, "labels.unknown=[eight]"], "labels.unknown names eight, which is no class of digits"),
        ([TRIPLET, "augment.color_jitter={}"], "1 band"),
        ([TRIPLET, "from=nowhere"], "there is no encoder file nowhere"),
    ],
)
def test_a_mistake_costs_nothing_and_leaves_nothing(tmp_path, given, message):
    with pytest.raises(InputError, match=message):
        fine_tune(recipe(*given), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_it_starts_from_is_never_overwritten_nor_described_otherwise(tmp_path, pretrained):
    with pytest.raises(InputError, match="holds what the run starts from"):
        fine_tune(read_tuning(str(pretrained), [TRIPLET]), pretrained, overwrite=True)
    with pytest.raises(InputError, match=r"encoder.width is 5, but .* has 4: leave the section encoder out"):
        fine_tune(read_tuning(str(pretrained), [TRIPLET, "encoder.width=5"]), tmp_path / "run")


def test_labels_that_are_held_out_are_judged_and_not_learned_and_change_nothing(tmp_path):
    looks = []

    def probe(learned, classes, held_out, truth):
        looks.append((learned, classes, held_out, truth))
        return {"right": 0.5}

    asked = recipe(
        TRIPLET, "labels.shots=20", "monitor={held_out: 0.2, every: 5}", "labels.unknown=[0]", "train.classes=9"
    )
    numbers = fine_tune(asked, tmp_path / "watched", probe=probe)
    fine_tune(asked, tmp_path / "alone")
    assert losses(tmp_path / "watched") == losses(tmp_path / "alone")
    assert [line["step"] for line in metrics(tmp_path / "watched") if "right" in line] == [4, 9, 11]
    assert numbers["right"] == 0.5

    encoder, digits = load_encoder(tmp_path / "watched"), load_digits()
    learned, classes, held_out, truth = looks[-1]
    assert (classes.bincount().tolist(), truth.bincount().tolist()) == ([16] * 9, [4] * 9)
    seen = torch.tensor(encoder.metadata.labels.ids)
    e = encoder(encoder.preprocess(digits.images[seen]))
    rows = torch.cdist(torch.cat([learned, held_out]), e).argmin(1)
    assert sorted(rows.tolist()) == list(range(180))  # each of those whose labels were seen, once
    assert torch.equal(torch.cat([classes, truth]) + 1, digits.labels[seen][rows])
    assert "20 % of them are held out" in encoder.metadata.labels.rule


def test_a_run_that_diverges_at_once_leaves_the_one_that_it_was_to_overwrite(tmp_path):
    fine_tune(recipe(TRIPLET), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(DivergenceError, match=r"at step 0: .* still holds the run that was to be overwritten"):
        fine_tune(recipe("objective.triplet.weight=1e300"), tmp_path, overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert fine_tune(recipe(TRIPLET, "train.max_steps=1"), tmp_path, overwrite=True)["steps"] == 1
    assert newest_state(tmp_path / "checkpoints") == "step-00000001.pt"


def test_divergence_names_step_cause_and_run_state(tmp_path):
    with pytest.raises(DivergenceError, match=r"at step .*: .* lower train.lr.*last good run state"):
        fine_tune(recipe("objective.softmax={}", "train.lr=1e30", "train.optimizer=sgd"), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("objective", [TRIPLET, CENTER])
def test_two_processes_are_one(tmp_path, objective):
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps({**TINY, "train": {**TINY["train"], "max_steps": 8}}))
    given = [str(path), objective, "embedding.dim=5", "train.warmup_epochs=2"]
    fine_tune(read_tuning(given[0], given[1:]), tmp_path / "one")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command = [*launch, "-m", "simclr", "fine-tune", *given, "--output", str(tmp_path / "two")]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, capture_output=True, timeout=300)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert all(torch.allclose(one[name], two[name], atol=1e-4) for name in one if one[name].is_floating_point())


def test_half_precision_keeps_distances_in_single(tmp_path):
    fine_tune(recipe(TRIPLET, "train.precision=bf16", "train.max_steps=2"), tmp_path)
    assert all(isinstance(loss, float) for loss in losses(tmp_path))
    assert isinstance(load_encoder(tmp_path).encoder, nn.Module)


def test_it_is_said_where_nothing_can_be_held_out(tmp_path):
    said = []
    fine_tune(
        recipe(TRIPLET, "labels.shots=1", "monitor.held_out=0.1", "train.max_steps=1"),
        tmp_path / "run",
        say=said.append,
    )
    assert "monitor.held_out holds nothing out: no class has two labels" in said
