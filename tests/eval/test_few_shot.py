import json

import pytest
import torch
from rich.console import Console

from eval.few_shot import DEFAULT_PROBES, few_shot
from eval.few_shot_table import print_few_shot
from eval.prototypes import nearest_prototype
from eval.splits import k_shot
from eval.summary import write_result
from simclr.data.preprocess import fit_preprocess
from simclr.data.scene import SceneSource
from simclr.encoder import random_encoder
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError


def blobs(classes=6, per_class=30, dim=8):
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(classes * per_class) % classes
    return torch.randn(classes, dim, generator=g)[labels] * 2 + torch.randn(len(labels), dim, generator=g), labels


def row(result, **wanted):
    (found,) = [r for r in result["rows"] if all(r[k] == v for k, v in wanted.items())]
    return found


def test_a_matrix_of_features():
    x, labels = blobs()
    labels[:4] = -1
    result = few_shot(x, labels, shots=(1, 5), seeds=range(3), ways=4, episodes=20, unknown_classes=2)
    assert {r["representation"] for r in result["rows"]} == {"features"}
    assert {r["probe"] for r in result["rows"]} == set(DEFAULT_PROBES)
    split = k_shot(labels, 5, 1)
    found = nearest_prototype(x[split.train], labels[split.train], x[split.test], "cosine")
    expected = float((found.classes == labels[split.test]).double().mean())
    assert row(result, probe="prototype cosine", shots=5, metric="oa")["per_seed"][1] == pytest.approx(expected)
    assert [e["shots"] for e in result["episodes"]] == [1, 5]
    assert {r["shots"] for r in result["open_set"]} == {5}
    assert {s["what"] for s in result["skipped"]} == {"unknown classes at 1 shot", "fine-tune"}
    described = next(s for s in result["splits"] if (s["split"], s["shots"], s["seed"]) == ("random", 5, 1))
    assert described["sha256_test"] == split.digest()["test"]


def test_fixed_unknown_classes_take_no_part_in_the_closed_set():
    x, labels = blobs()
    result = few_shot(x, labels, shots=(4,), seeds=(0, 1), ways=5, episodes=5, unknown=[3])
    assert all(s["train_per_class"][3] == 0 and s["left_out"] == [] for s in result["splits"])
    assert {s["split"]: s["test"] for s in result["splits"]} == {"random": 180 - 20 - 30, "unknown": 180 - 20}
    with pytest.raises(InputError, match="ways is 6, but there are 5"):
        few_shot(x, labels, shots=(4,), seeds=(0,), ways=6, episodes=5, unknown=[3])


def scene_encoder():
    g = torch.Generator().manual_seed(0)
    truth = torch.zeros(20, 20, dtype=torch.int64)
    truth[:9, :9], truth[:9, 11:], truth[11:, :9], truth[11:, 11:] = 1, 2, 3, 9
    cube = (torch.randn(10, 6, generator=g) * 2)[truth].permute(2, 0, 1) + torch.randn(6, 20, 20, generator=g)
    scene = SceneSource(cube, truth, patch_size=3)
    options = {"name": "spectral_spatial", "in_chans": 6, "width": 8}
    module = random_encoder(0, **options)
    recipe = {"data": {"source": "indian-pines", "patch_size": 3}, "augment": {"horizontal_flip": {"p": 0.5}}}
    metadata = {"encoder": options, "feature_dim": module.feature_dim, "recipe": recipe, "monitor_ids": [0, 1]}
    return FrozenEncoder(module, fit_preprocess(scene), metadata), scene


def test_an_encoder_beside_its_baselines(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("eval.fine_tuned.STEPS", 5)
    monkeypatch.setattr("eval.supervised.STEPS", 5)
    encoder, scene = scene_encoder()
    result = few_shot(
        encoder,
        scene,
        shots=(2, 5),
        shares=(0.1,),
        seeds=(0, 1, 2),
        ways=3,
        episodes=10,
        unknown=[3],
        fine_tune_seeds=2,
    )
    assert set(result["encoder"].values()) >= {True}
    assert result["encoder"]["sha256_before"] == result["encoder"]["sha256_after"]
    names = ["pretrained", "random", "raw", "window mean", "pca", "supervised"]
    assert list(dict.fromkeys(r["representation"] for r in result["rows"])) == names
    assert len(row(result, representation="pretrained", probe="fine-tune", shots=5, metric="oa")["per_seed"]) == 2
    difference = next(p for p in result["paired"] if p["difference"] == "pretrained - supervised" and p["shots"] == 5)
    ridge = row(result, representation="pretrained", probe="ridge", shots=5, metric=difference["metric"])
    scratch = row(result, representation="supervised", shots=5, metric=difference["metric"])
    assert difference["per_seed"] == pytest.approx([ridge["per_seed"][i] - scratch["per_seed"][i] for i in (0, 1)])
    assert row(result, representation="random", probe="ridge", labels=0.1, metric="aa")["shots"] is None
    assert {e["representation"] for e in result["episodes"]} == set(names[:-1])
    assert result["excluded"]["samples"] == 2
    write_result(result, tmp_path / "few-shot.json")
    assert json.loads((tmp_path / "few-shot.json").read_text())["protocol"] == result["protocol"]
    print_few_shot({**result, "transductive": True}, Console(width=120))
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("5 shots", "10 %", "2-shot", "weibull", "FPR95", "fine-tune, 2 seeds"))


def test_bad_input_is_one_line():
    x, labels = blobs()
    encoder, scene = scene_encoder()
    nan = x.clone()
    nan[3, 2] = torch.nan
    for match, model, source, options in (
        ("no labelled sample", x, torch.full_like(labels, -1), {}),
        ("one class only", x, torch.zeros_like(labels), {}),
        ("NaN", nan, labels, {}),
        ("of one|N, dim", x[:5], labels, {}),
        ("no probe 'svm'", x, labels, {"probes": ("svm",)}),
        ("not both", x, labels, {"unknown": [1], "unknown_classes": 2}),
        ("unknown class 8 has no sample", x, labels, {"unknown": [8]}),
        ("5 of 6 classes should be unknown", x, labels, {"unknown_classes": 5}),
        ("2 classes|fewer than 2", x, labels, {"unknown": range(6)}),
        ("ways is 9", x, labels, {"ways": 9}),
        ("shots is 0", x, labels, {"shots": (0,)}),
        ("empty", x, labels, {"shots": ()}),
        ("encoder with a source", x, scene, {}),
        ("encoder with a source", encoder, labels, {}),
    ):
        with pytest.raises(InputError, match=match) as caught:
            few_shot(model, source, **{"seeds": (0,), "episodes": 5, "shots": (2,), **options})
        assert "\n" not in str(caught.value)


def test_more_shots_than_a_class_has_take_half_of_it():
    x, labels = blobs()
    result = few_shot(x, labels, shots=(25,), seeds=(0,), episodes=0)
    assert result["splits"][0]["train_per_class"] == [15] * 6
    assert "half of its samples" in result["splits"][0]["rule"]


def test_episodes_that_cannot_be_drawn_are_left_out_and_said():
    x, labels = blobs()
    result = few_shot(x, labels, shots=(5, 20), seeds=(0,), ways=6, episodes=4)
    assert [e["shots"] for e in result["episodes"]] == [5]
    skip = next(s for s in result["skipped"] if "episodes" in s["what"])
    assert skip == {"what": "6-way 20-shot episodes", "why": "0 of 6 classes have 20 + 15 samples: give fewer queries"}
