"""The loop on a scene of which nothing is said but where it lies: choice, verdict, and the encoder that is kept."""

import json

import numpy as np
import pytest
import torch

from simclr import load_encoder
from simclr.pretrain import OnlineProbe, pretrain
from simclr.recipe.read import read_recipe
from simclr.train.verdict import Verdict
from tests.simclr.data.scenes.test_neighbour_noise import fields

pytestmark = pytest.mark.usefixtures("fresh_accelerate")
SHORT = ["train.batch_size=64", "train.max_steps=16", "train.checkpoint_every=4", "monitor.every=8", "encoder.width=8"]


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "scene.npy"
    np.save(file, fields(noise=0.4)[0].permute(1, 2, 0).numpy())
    return f"data.path={file}"


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_scene_alone_is_enough(path, tmp_path):
    said = []
    pretrain(read_recipe("scene", [path, *SHORT]), tmp_path / "run", say=said.append)
    assert any("encoder.options.learn=both: materials differ little" in line for line in said)
    assert any(line.startswith("this pretraining ") for line in said)
    recipe = read_recipe(tmp_path / "run" / "recipe.yaml")
    assert recipe.choose is None
    assert recipe.train.batch_size == 64
    assert recipe.data.patch_size == 9
    verdicts = {line["step"]: line["verdict"] for line in lines(tmp_path / "run") if "verdict" in line}
    assert list(verdicts) == [3, 7, 11, 15]
    numbers = load_encoder(tmp_path / "run").metadata["numbers"]
    assert numbers["verdict"] == max(verdicts.values()) == verdicts[numbers["kept_step"] - 1]


@pytest.mark.slow
def test_the_encoder_of_the_best_look_is_kept_and_patience_ends_the_run(path, tmp_path, monkeypatch):
    values = iter([0.1, 0.3, 0.2, 0.1])

    def look(self, encode):
        return Verdict(next(values), 0.0, "the spectrum")

    monkeypatch.setattr("simclr.train.scene_verdict.SceneJudge.look", look)
    numbers = pretrain(
        read_recipe("scene", [path, *SHORT, "train.patience=1"]), tmp_path / "run", say=lambda line: None
    )
    assert [line["step"] for line in lines(tmp_path / "run")][-1] == 11
    assert numbers["kept_step"] == 8
    assert numbers["verdict"] == pytest.approx(0.3)
    assert numbers["steps"] == 12
    states = {p.name: torch.load(p, weights_only=True) for p in (tmp_path / "run" / "checkpoints").glob("*.pt")}
    kept = load_encoder(tmp_path / "run").encoder.state_dict()
    for name, value in states["step-00000008.pt"]["model"].items():
        if name.startswith("encoder."):
            assert torch.equal(value, kept[name.removeprefix("encoder.")])


@pytest.mark.slow
def test_a_run_that_was_cut_off_keeps_the_same_encoder(path, tmp_path):
    def run(folder, **options):
        return pretrain(read_recipe("scene", [path, *SHORT]), folder, say=lambda line: None, **options)

    class CutError(Exception):
        pass

    looks = []

    def score(h, labels):
        looks.append(h)
        if len(looks) == 3:
            raise CutError
        return 0.0

    whole = run(tmp_path / "whole")
    truth = tmp_path / "truth.npy"
    np.save(truth, np.ones((40, 40), dtype=np.int64) + (np.arange(40) > 20))
    probe = OnlineProbe(choose=lambda labels: torch.tensor([1, 2]), score=score)
    labelled = read_recipe("scene", [path, *SHORT, f"data.ground_truth={truth}"])
    with pytest.raises(CutError):
        pretrain(labelled, tmp_path / "cut", say=lambda line: None, probe=probe)
    again = pretrain(labelled, tmp_path / "cut", say=lambda line: None, resume=True)
    assert {**again, "seconds": 0, "knn": 0} == {**whole, "seconds": 0, "knn": 0}
    one, two = (load_encoder(tmp_path / name).encoder.state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert lines(tmp_path / "cut")[-1]["verdict"] == lines(tmp_path / "whole")[-1]["verdict"]


def test_without_samples_held_out_there_is_no_verdict(path, tmp_path):
    said = []
    recipe = read_recipe("scene", [path, *SHORT, "monitor.held_out=0", "train.max_steps=4"])
    numbers = pretrain(recipe, tmp_path / "run", say=said.append)
    assert "verdict" not in numbers
    assert not any("pretraining" in line for line in said)
