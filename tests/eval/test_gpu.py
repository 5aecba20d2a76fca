"""Evaluation where the encoder lies on a GPU and the samples do not; skipped without one."""

import json

import pytest
import torch

from simclr.data.fitting import fit_preprocess
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import TensorSource
from simclr.encoder_file import FrozenEncoder, load_encoder
from simclr.eval.commands import run_few_shot, run_linear_eval
from simclr.eval.few_shot import few_shot
from simclr.eval.linear_eval import linear_eval
from simclr.eval.probes.end_to_end import fine_tune
from simclr.eval.splits.split import k_shot
from simclr.models.encoder import random_encoder
from simclr.pretrain import pretrain
from simclr.recipe.read import read_recipe

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.usefixtures("fresh_accelerate"),
]


def scene():
    """Four fields, each with a spectrum of its own."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.zeros(24, 30, dtype=torch.int64)
    for c, (row, column) in enumerate([(1, 1), (1, 16), (13, 1), (13, 16)]):
        truth[row : row + 10, column : column + 13] = c + 1
    cube = 1000 * torch.rand(5, 12, generator=generator)[truth].permute(2, 0, 1)
    return SceneSource(cube + 100 * torch.randn(cube.shape, generator=generator), truth, patch_size=5)


def photos():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(120) % 3
    images = torch.randint(0, 120, (120, 3, 8, 8), generator=generator) + 60 * labels[:, None, None, None]
    return TensorSource(images.to(torch.uint8), labels)


def small_encoder(source, **preprocessing):
    preprocess = fit_preprocess(source, **preprocessing)
    options = {"name": "resnet8", "in_chans": preprocess.out_chans, "width": 8, "stem": "small"}
    network = random_encoder(0, **options)
    return FrozenEncoder(network, preprocess, {"encoder": options, "feature_dim": network.feature_dim})


def accuracies(result):
    rows = [row for row in result["rows"] if row["metric"] in ("oa", "accuracy")]
    return {(row["representation"], row["probe"], row["split"], row["shots"]): row["mean"] for row in rows}


def closely(found, expected):
    """Frozen features differ in the last digits, so hardly any of the samples changes sides; trainings drift more."""
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        trained = "supervised" in key or "fine-tune" in key
        assert found[key] == pytest.approx(value, abs=0.2 if trained else 0.02), key


@pytest.mark.parametrize("encoder_on", ["cpu", "cuda"])
@pytest.mark.parametrize("samples", [scene, photos])
def test_linear_evaluation_finds_the_same_on_the_gpu(samples, encoder_on):
    source = samples()
    asked = {"shots": [5], "seeds": [0, 1], "exclude": ()}
    expected = linear_eval(small_encoder(source), source, **asked)
    encoder = small_encoder(source).to(encoder_on)
    closely(accuracies(linear_eval(encoder, source, device="cuda", **asked)), accuracies(expected))
    assert {tensor.device.type for tensor in encoder.state_dict().values()} == {encoder_on}
    assert source.device.type == "cpu"


@pytest.mark.parametrize("samples", [scene, photos])
def test_few_shot_evaluation_with_an_unknown_class_finds_the_same_on_the_gpu(samples):
    source = samples()
    asked = {"shots": [5], "seeds": [0, 1], "exclude": (), "unknown": [1], "episodes": 20, "fine_tune": False}
    expected = few_shot(small_encoder(source), source, **asked)
    found = few_shot(small_encoder(source).to("cuda"), source, device="cuda", **asked)
    closely(accuracies(found), accuracies(expected))
    assert len(found["open_set"]) == len(expected["open_set"])


@pytest.mark.parametrize("preprocessing", [{}, {"whiten": 4}])
def test_fine_tuning_of_a_scene_trains_on_the_gpu(preprocessing):
    source = scene()
    split = k_shot(source.labels, 5, 0)
    encoder = small_encoder(source, **preprocessing)
    predicted = fine_tune(encoder, source, split, device="cuda", steps=20, augment=False)
    assert float((predicted.classes == source.labels[split.test]).float().mean()) > 0.5
    assert {tensor.device.type for tensor in encoder.state_dict().values()} == {"cpu"}


def test_the_commands_judge_a_scene_on_the_gpu_and_draw_its_maps(tmp_path):
    overrides = ["train.max_steps=4", "train.batch_size=64", "train.precision=fp32", "monitor.every=2"]
    pretrain(read_recipe("indian-pines", overrides), tmp_path / "run")
    run_linear_eval(tmp_path / "run", shots="5", seeds=2)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert {"pretrained", "random", "raw", "pca", "window mean"} <= {row["representation"] for row in result["rows"]}
    run_few_shot(tmp_path / "run", shots="5", seeds=2, unknown="Oats,Woods", episodes=20, fine_tune=False)
    assert (tmp_path / "run" / "map.png").stat().st_size > 10_000
    assert (tmp_path / "run" / "unknown-map.png").stat().st_size > 10_000
    assert load_encoder(tmp_path / "run").preprocess.offset.device.type == "cpu"
