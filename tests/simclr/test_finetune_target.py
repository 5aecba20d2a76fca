"""Fine-tuning with a target domain, run for real on the digits."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from simclr import load_encoder
from simclr.data.images.digits import load_digits
from simclr.data.source import TensorSource
from simclr.errors import DivergenceError, InputError, StoppedError
from simclr.eval.subject.subject import subject_of
from simclr.finetune import fine_tune
from simclr.recipe.read import apply_overrides, check_tuning, read_experiment
from simclr.run.start import read_tuning
from simclr.train.optimizer import set_lr

pytestmark = pytest.mark.usefixtures("fresh_accelerate")
DAN = "objective={softmax: {}, dan: {weight: 0.3}}"


@pytest.fixture
def tree(tmp_path):
    np.save(tmp_path / "inverted.npy", 240 - load_digits().images[:300, 0].numpy())
    return {
        "data": {"source": "digits"},
        "target": {"source": "arrays", "path": str(tmp_path / "inverted.npy"), "name": "inverted"},
        "augment": {"noise": {"sd": 0.1, "p": 0.5}},
        "encoder": {"name": "pyramid2", "width": 4},
        "embedding": {"dim": 6},
        "labels": {"shots": 20},
        "train": {"max_steps": 6, "batch_size": 32, "checkpoint_every": 2},
    }


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def state(folder):
    return torch.load(folder / "checkpoints" / "step-00000006.pt", weights_only=True)["model"]


class Secret(TensorSource):
    """Samples whose labels nobody may look at."""

    @property
    def labels(self):
        assert self._labels is None, "labels of the target were looked at"

    @labels.setter
    def labels(self, labels):
        self._labels = labels


def test_labels_of_the_target_are_never_read(tree, tmp_path, monkeypatch):
    secret = Secret(240 - load_digits().images[:300], name="inverted")
    secret.labels = load_digits().labels[:300]
    with pytest.raises(AssertionError, match="looked at"):
        secret.labels  # noqa: B018
    opened = {"digits": load_digits(), "arrays": secret}
    monkeypatch.setattr("simclr.data.open.load", lambda address: lambda data, part: opened[data.source])
    said: list[str] = []
    fine_tune(check_tuning(apply_overrides(tree, [DAN, "monitor.every=3"])), tmp_path / "run", say=said.append)
    text = "\n".join(said)
    assert "without labels: 300 samples of inverted, 32 a step" in text
    assert "objective: 1 softmax + 0.3 dan" in text
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {"dan", "dan/stages.1", "dan/embedding", "dan/logits"} <= lines[2].keys()
    assert lines[2]["dan"] == pytest.approx(sum(lines[2][f"dan/{at}"] for at in ("stages.1", "embedding", "logits")))

    # The other way: with labels that can be read, whatever they are, the run is the same.
    opened["arrays"] = TensorSource(secret.images, torch.arange(300) % 3, name="inverted")
    fine_tune(check_tuning(apply_overrides(tree, [DAN])), tmp_path / "other")
    assert losses(tmp_path / "run") == losses(tmp_path / "other")


def test_the_samples_of_the_target_were_seen_but_not_their_labels(tree, tmp_path):
    asked = check_tuning(apply_overrides(tree, ["objective={softmax: {}, ddc: {}}"]))
    fine_tune(asked, tmp_path / "run")
    assert read_experiment(tmp_path / "run" / "recipe.yaml") == asked
    encoder = load_encoder(tmp_path / "run")
    assert encoder.metadata["target"] == {"name": "inverted", "samples": 300}
    digits = load_digits()
    inverted = TensorSource(240 - digits.images, digits.labels, value_max=255)
    subject = subject_of(encoder, inverted)
    assert subject.excluded.tolist() == []
    assert subject.seen.samples.tolist() == [True] * 300 + [False] * 1497
    assert len(subject_of(encoder, digits).excluded) == 200


def test_a_target_with_statistics_of_its_own_gets_an_encoder_file_of_its_own(tree, tmp_path):
    tree["target"] = {**tree["target"], "statistics": "own"}
    np.save(tmp_path / "inverted.npy", (load_digits().images[:300, 0].float() * 0.5 + 60).to(torch.uint8).numpy())
    fine_tune(check_tuning(apply_overrides(tree, ["objective={softmax: {}, ddc: {}}"])), tmp_path / "run")
    of_data, of_target = (load_encoder(tmp_path / "run" / f"encoder{end}.safetensors") for end in ("", "-target"))
    x = load_digits().images[300:320]
    dark = (x.float() * 0.5 + 60).to(torch.uint8)
    assert torch.equal(of_data.encoder.embedding.weight, of_target.encoder.embedding.weight)
    near = of_target.preprocess(dark) - of_data.preprocess(x)
    assert near.abs().mean() < 0.1  # the means of 300 digits, not of all
    assert (of_data.preprocess(dark) - of_data.preprocess(x)).abs().mean() > 0.3


@pytest.mark.slow
def test_a_run_that_was_cut_off_resumes_bit_for_bit_with_the_same_target(tree, tmp_path, monkeypatch):
    asked = check_tuning(apply_overrides(tree, [DAN]))
    fine_tune(asked, tmp_path / "whole")

    def cut(optimizer, lr, real=set_lr, updates=[]):  # noqa: B006
        updates.append(lr)
        if len(updates) == 4:
            raise KeyboardInterrupt
        real(optimizer, lr)

    with monkeypatch.context() as patch:
        patch.setattr("simclr.train.tuning_step.set_lr", cut)
        with pytest.raises(StoppedError):
            fine_tune(asked, tmp_path / "cut")
    images = np.load(tmp_path / "inverted.npy")
    np.save(tmp_path / "inverted.npy", images[::-1])
    with pytest.raises(InputError, match="holds a run with another target: 300 samples with hash"):
        fine_tune(asked, tmp_path / "cut", resume=True)
    np.save(tmp_path / "inverted.npy", images)
    fine_tune(asked, tmp_path / "cut", resume=True)
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    whole, cut_off = state(tmp_path / "whole"), state(tmp_path / "cut")
    assert all(torch.equal(whole[name], cut_off[name]) for name in whole)
    assert whole["objective.modules_of_terms.dan.batches"] == 6


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            ["objective={softmax: {}, ddc: {}}", "target=null"],
            "compares the data with a target, and the recipe has none",
        ),
        (["objective={softmax: {}}"], "the recipe has a target, but nothing looks at it: add a term that does"),
        (["objective={softmax: {}, dan: {modules: stage}}"], "the encoder has no module stage: did you mean stages"),
        (["objective={softmax: {}, dan: {}}", "train.batch_size=3"], "kernel weights need at least four samples"),
    ],
)
def test_mistakes_cost_nothing(tree, tmp_path, given, message):
    with pytest.raises(InputError, match=message) as caught:
        fine_tune(check_tuning(apply_overrides(tree, given)), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_divergence_is_explained(tree, tmp_path):
    with pytest.raises(DivergenceError, match="at step"):
        fine_tune(check_tuning(apply_overrides(tree, [DAN, "train.lr=1e30", "train.optimizer=sgd"])), tmp_path / "run")


@pytest.mark.slow
def test_two_processes_are_one(tree, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(tree))
    given = [str(path), DAN, "train.warmup_epochs=2"]
    fine_tune(read_tuning(given[0], given[1:]), tmp_path / "one")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command = [*launch, "-m", "simclr", "fine-tune", *given, "--output", str(tmp_path / "two")]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, capture_output=True, timeout=300)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
