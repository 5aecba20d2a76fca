"""The loop of fine-tuning on a scene, and on pictures that are read as they come."""

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from simclr import load_encoder
from simclr.data.open import open_source
from simclr.eval.probes.monitor import held_out_monitor
from simclr.eval.subject.subject import subject_of
from simclr.finetune import fine_tune
from simclr.pretrain import OnlineProbe, pretrain
from simclr.recipe.read import check_tuning, read_recipe
from simclr.run.start import read_tuning
from simclr.train.tuned import Tuned

pytestmark = pytest.mark.usefixtures("fresh_accelerate")
SOFTMAX = "objective.softmax={}"


def test_a_scene_is_fine_tuned_as_it_was_pretrained_and_knows_its_pixels_again(tmp_path, monkeypatch):
    truth = np.kron([[1, 2], [3, 0]], np.ones((8, 8), dtype=int))
    g = np.random.default_rng(0)
    cube = g.normal(size=(4, 12))[truth] * 2 + g.normal(size=(16, 16, 12)) + 20
    scipy.io.savemat(tmp_path / "scene.mat", {"cube": cube})
    scipy.io.savemat(tmp_path / "gt.mat", {"gt": truth})
    data = [f"data.path={tmp_path}/scene.mat", f"data.ground_truth={tmp_path}/gt.mat"]
    short = ["train.max_steps=3", "train.batch_size=32", "encoder.width=4"]
    probe = OnlineProbe(choose=lambda labels: torch.tensor([0, 1, 9]), score=lambda h, y: 0.5)
    pretrain(read_recipe("scene", [*data, *short]), tmp_path / "run", probe=probe, say=lambda line: None)

    seen = []
    real = Tuned.forward
    monkeypatch.setattr(Tuned, "forward", lambda self, x, *more: (seen.append(x.shape), real(self, x, *more))[1])
    few = ["labels.shots=4", "train.max_steps=4", "embedding.dim=3"]
    fine_tune(read_tuning(str(tmp_path / "run"), [SOFTMAX, *few]), tmp_path / "tuned", say=lambda line: None)
    encoder, old = load_encoder(tmp_path / "tuned"), load_encoder(tmp_path / "run")
    assert set(seen) == {(12, old.metadata.in_chans, 9, 9)}
    source = open_source(read_recipe(tmp_path / "run" / "recipe.yaml").data)
    labels = list(encoder.metadata.labels.ids)
    assert source.labels[labels].bincount().tolist() == [4, 4, 4]
    assert subject_of(encoder, source).excluded.tolist() == sorted({0, 1, 9, *labels})
    x = old.preprocess.scene(source)[torch.arange(5)]
    assert torch.equal(x, encoder.preprocess.scene(source)[torch.arange(5)])
    assert encoder(x).shape == (5, 3)


@pytest.mark.parametrize("objective", [SOFTMAX, "objective.triplet={}"])
def test_a_picture_that_cannot_be_read_is_never_learned_under_its_label(tmp_path, monkeypatch, objective):
    """The last picture of each class is damaged, and the next one is of another class."""
    for c, colour in enumerate(("blue", "green", "red")):
        (tmp_path / "photos" / colour).mkdir(parents=True)
        for i in range(6):
            pixels = np.full((8, 8, 3), 20 + i, dtype=np.uint8)
            pixels[..., c] = 200
            Image.fromarray(pixels).save(tmp_path / "photos" / colour / f"{i}.png")
    learned = []
    real = Tuned.forward

    def watched(self, x, labels, *more):
        learned.extend(zip(x.mean((2, 3)).argmax(1).tolist(), labels.tolist()))
        return real(self, x, labels, *more)

    monkeypatch.setattr(Tuned, "forward", watched)
    tree = {
        "data": {
            "source": "image-folder",
            "path": str(tmp_path / "photos"),
            "feed": "stream",
            "workers": 0,
            "max_damaged": 0.5,
        },
        "augment": {"noise": {"sd": 0.01}},
        "encoder": {"name": "pyramid2", "width": 2},
        "objective": {objective.split(".")[1].split("=")[0]: {}},
        "monitor": {"held_out": 0.2, "every": 2},
        "train": {"max_steps": 8, "batch_size": 15, "epochs": 4, "per_class": 3},
    }
    said = []

    def say(line):
        """The run has begun: of few pictures it has read all by then, of many it has not."""
        said.append(line)
        for colour in ("blue", "green", "red"):
            (tmp_path / "photos" / colour / "5.png").write_bytes(b"no image")

    numbers = fine_tune(check_tuning(tree), tmp_path / "run", probe=held_out_monitor, say=say)
    assert {c for c, _ in learned} == {0, 1, 2}
    assert all(colour == label for colour, label in learned)
    assert any(line.startswith("3 damaged images were skipped: ") for line in said)
    assert 0 <= numbers["recall_at_1"] <= 1
