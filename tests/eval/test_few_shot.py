import json

import pytest
import torch
from rich.console import Console
from sklearn.linear_model import RidgeClassifierCV
from sklearn.preprocessing import StandardScaler

import simclr.eval.few_shot
import simclr.eval.results.episode_rows
from simclr.data.fitting import fit_preprocess
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import TensorSource
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.eval.few_shot import few_shot
from simclr.eval.probes.prototype_probe import nearest_prototype
from simclr.eval.probes.registry import FEW_SHOT_PROBES
from simclr.eval.probes.ridge_probe import ALPHAS
from simclr.eval.report.summary import print_few_shot
from simclr.eval.results.compare import compare
from simclr.eval.results.record import Result
from simclr.eval.results.result_file import as_result, write_result
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.leakage import leakage
from simclr.eval.splits.open_split import open_splits
from simclr.eval.splits.split import k_shot
from simclr.eval.splits.split_file import write_split
from simclr.eval.subject.representations import representations
from simclr.models.encoder import random_encoder


def blobs(classes=6, per_class=30, dim=8):
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(classes * per_class) % classes
    return torch.randn(classes, dim, generator=g)[labels] * 2 + torch.randn(len(labels), dim, generator=g), labels


def row(result, **wanted):
    (found,) = [r for r in result["rows"] if all(r[k] == v for k, v in wanted.items())]
    return found


def test_standardising_is_a_declared_switch():
    x, labels = blobs()
    x = x * torch.logspace(-1, 2, x.shape[1])
    options = {"shots": (5,), "seeds": (0,), "probes": ("ridge",), "ways": 4, "episodes": 0}
    on, off = (few_shot(x, labels, standardise=switch, **options) for switch in (True, False))
    assert (on["standardise"], off["standardise"]) == (True, False)
    assert on["protocol"] != off["protocol"]
    split = k_shot(labels, 5, 0)
    train, test = (x[ids].numpy() for ids in (split.train, split.test))
    model = RidgeClassifierCV(alphas=ALPHAS).fit(train, labels[split.train])
    assert row(off, metric="oa")["mean"] == pytest.approx(model.score(test, labels[split.test]))
    scaler = StandardScaler().fit(train)
    model = RidgeClassifierCV(alphas=ALPHAS).fit(scaler.transform(train), labels[split.train])
    assert row(on, metric="oa")["mean"] == pytest.approx(model.score(scaler.transform(test), labels[split.test]))


def test_a_matrix_of_features():
    x, labels = blobs()
    labels[:4] = -1
    result = few_shot(x, labels, shots=(1, 5), seeds=range(3), ways=4, episodes=20, unknown_classes=2)
    assert {r["representation"] for r in result["rows"]} == {"features"}
    assert {r["probe"] for r in result["rows"]} == set(FEW_SHOT_PROBES)
    split = k_shot(labels, 5, 1)
    found = nearest_prototype(x[split.train], labels[split.train], x[split.test], "cosine")
    expected = float((found.classes == labels[split.test]).double().mean())
    assert row(result, probe="prototype cosine", shots=5, metric="oa")["per_seed"][1] == pytest.approx(expected)
    assert [e["shots"] for e in result["episodes"]] == [1, 5]
    assert {r["shots"] for r in result["open_set"]} == {5}
    assert {s["what"] for s in result["skipped"]} == {"unknown classes at 1 shot"}
    described = next(s for s in result["splits"] if (s["split"], s["shots"], s["seed"]) == ("random", 5, 1))
    assert described["sha256_test"] == split.digest()["test"]


def test_fixed_unknown_classes_take_no_part_in_the_closed_set():
    x, labels = blobs()
    result = few_shot(x, labels, shots=(4,), seeds=(0, 1), ways=5, episodes=5, unknown=[3])
    assert all(s["train_per_class"][3] == 0 and s["left_out"] == [] for s in result["splits"])
    tested = {(len(s["unknown"]), s["test"]) for s in result["splits"]}
    assert tested == {(0, 180 - 20 - 30), (1, 180 - 20)}
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


def test_samples_whose_labels_were_seen_are_in_nothing_that_is_measured(monkeypatch, capsys):
    encoder, scene = scene_encoder()
    labelled = scene.labelled_ids()
    seen = labelled[::3]
    labels = {"ids": seen.tolist(), "classes": ["1", "2"], "unknown": ["9"], "rule": "a third"}
    encoder = FrozenEncoder(encoder.encoder, encoder.preprocess, {**encoder.metadata, "labels": labels})
    kept = labelled[~torch.isin(labelled, torch.cat([seen, torch.tensor([0, 1])]))]
    rows, ids = [], []

    def watch(name, look, where=simclr.eval.few_shot):
        real = getattr(where, name)
        monkeypatch.setattr(where, name, lambda *given, **more: (look(*given), real(*given, **more))[1])

    watch("score", lambda features, *more: rows.append(len(features)))
    watch("open_set", lambda features, *more: rows.append(len(features)))
    watch("run_episodes", lambda features, *more: rows.append(len(features)), simclr.eval.results.episode_rows)
    watch(
        "fine_tuned_scores", lambda model, data, splits, *more: ids.extend(torch.cat([s.train, s.test]) for s in splits)
    )
    monkeypatch.setattr("simclr.eval.probes.end_to_end.STEPS", 2)
    asked = {"shots": (3,), "seeds": (0,), "ways": 3, "queries": 2, "episodes": 2, "unknown": [3], "fine_tune_seeds": 1}
    result = few_shot(encoder, scene, **asked)
    assert set(rows) == {len(kept)}  # rows of features: those of no other sample are there
    assert len(rows) > 6
    assert set(torch.cat(ids).tolist()) <= set(kept.tolist())
    assert result["excluded"]["samples"] == len(labelled) - len(kept)

    # Files have one name for what is judged; whoever reads the tables is told what it is.
    assert {r["representation"] for r in result["rows"]} >= {"pretrained", "random", "raw"}
    assert result["encoder"]["fine_tuned"] == {"samples": len(seen), **{k: v for k, v in labels.items() if k != "ids"}}
    print_few_shot(Result.model_validate(result), Console(width=200), all_scores=True)
    text = capsys.readouterr().out
    assert "pretrained" not in text
    assert "fine-tuned" in text
    assert (
        f"{len(labelled) - len(kept)} samples left out of every split: fine-tuning and the online kNN have seen" in text
    )
    assert "(a third)" in text


def test_an_encoder_beside_its_baselines(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("simclr.eval.probes.end_to_end.STEPS", 5)
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
    write_result(Result.model_validate(result), tmp_path / "few-shot.json")
    assert json.loads((tmp_path / "few-shot.json").read_text())["protocol"] == result["protocol"]
    print_few_shot(Result.model_validate({**result, "transductive": True}), Console(width=120), all_scores=True)
    printed = capsys.readouterr().out
    assert all(
        word in printed
        for word in ("5 shots", "10 %", "2-shot", "OSCR", "fine-tune, 2 seeds", "of the known samples accepted")
    )


def test_objectives_are_trained_from_both_starts_and_stand_in_file_tables_and_comparison(tmp_path, capsys):
    encoder, scene = scene_encoder()
    options = {"shots": (4,), "seeds": (0, 1), "episodes": 0, "probes": "ridge", "fine_tune": False, "unknown": [3]}
    result = few_shot(encoder, scene, objectives=["triplet"], objective_options={"steps": 2}, **options)
    assert result["protocol"].endswith(" objectives=triplet")
    rows = {(r["objective"], r["representation"]) for r in result["objectives"]["rows"]}
    baselines = ["pretrained", "random", "raw", "window mean", "pca"]
    assert rows == {("triplet", "pretrained"), ("triplet", "random"), *(("frozen", name) for name in baselines)}
    (frozen,) = [r for r in result["open_set"] if r["metric"] == "oscr" and _is(r, "pretrained", "mahalanobis")]
    (trained, start) = [
        next(
            r
            for r in result["objectives"]["rows"]
            if (r["objective"], r["metric"]) == (name, "oscr") and _is(r, "pretrained", "mahalanobis")
        )
        for name in ("triplet", "frozen")
    ]
    assert start["per_seed"] == frozen["per_seed"]
    difference = next(
        d
        for d in result["objectives"]["differences"]
        if (d["metric"], d["representation"], d["minus_objective"], d["minus_representation"])
        == ("oscr", "pretrained", "frozen", "pretrained")
    )
    assert difference["per_seed"] == pytest.approx([a - b for a, b in zip(trained["per_seed"], frozen["per_seed"])])
    read = as_result(result)
    print_few_shot(read, Console(width=120), all_scores=True)
    assert "objectives, random split, 4 shots: OSCR" in capsys.readouterr().out
    compared = compare([read, read])
    same = [r for r in compared.rows if r.objective == "triplet" and r.metric == "oscr" and r.probe == "mahalanobis"]
    assert [(r.mean, r.first_mean) for r in same] == [(0.0, pytest.approx(trained["mean"]))]
    with pytest.raises(InputError, match="mean triplet"):
        few_shot(encoder, scene, objectives=["tripled"])
    with pytest.raises(InputError, match="objective_options has steps='2'"):
        few_shot(encoder, scene, objective_options={"steps": "2"})
    x, labels = blobs()
    skipped = few_shot(x, labels, objectives=["triplet"], **{**options, "unknown": []})["skipped"]
    assert {"what": "objectives", "why": "features cannot be trained"} in skipped


def _is(row, representation, probe):
    return (row["representation"], row["probe"], row["threshold"]) == (representation, probe, None)


def test_bad_input_is_one_line_before_any_feature_is_extracted(monkeypatch):
    x, labels = blobs()
    encoder, scene = scene_encoder()
    extracted = []
    monkeypatch.setattr("simclr.eval.judging.representations", lambda *a: extracted.append(a) or representations(*a))
    nan = x.clone()
    nan[3, 2] = torch.nan
    for match, model, source, options in (
        ("no labelled sample", x, torch.full_like(labels, -1), {}),
        ("one class only", x, torch.zeros_like(labels), {}),
        ("NaN", nan, labels, {}),
        ("of one|N, dim|there are 180 classes", x[:5], labels, {}),
        ("no probe 'svm'", x, labels, {"probes": ("svm",)}),
        ("not both", x, labels, {"unknown": [1], "unknown_classes": 2}),
        ("unknown class 8 has no sample", x, labels, {"unknown": [8]}),
        ("5 of 6 classes should be unknown", x, labels, {"unknown_classes": 5}),
        ("2 classes|fewer than 2", x, labels, {"unknown": range(6)}),
        ("ways is 9", x, labels, {"ways": 9}),
        ("ways is 5, but there are 4", encoder, scene, {"ways": 5}),
        ("3 ways or fewer", encoder, scene, {"ways": 4, "unknown": [3]}),
        ("queries is 40, but 0 of 6 classes.*give 28 queries or fewer", x, labels, {"queries": 40}),
        ("shots is 16, but a class gives .*the largest, 0, has 30: give 15", x, labels, {"shots": (1, 16)}),
        ("shots is 99, but a class gives", encoder, scene, {"shots": (99,)}),
        ("no class of|write random, block", x, labels, {"splits": ("blok",)}),
        ("is none: use --split random", x, labels, {"splits": ("block",)}),
        ("shots is 0", x, labels, {"shots": (0,)}),
        ("empty", x, labels, {"shots": ()}),
        ("encoder with a source", x, scene, {}),
        ("encoder with a source", encoder, labels, {}),
    ):
        with pytest.raises(InputError, match=match) as caught:
            few_shot(model, source, **{"seeds": (0,), "episodes": 5, "shots": (2,), **options})
        assert "\n" not in str(caught.value)
        assert bool(extracted) == (match == "NaN")
        extracted.clear()


def test_more_shots_than_half_of_a_class_take_half_of_it():
    x, labels = blobs()
    labels[:60] = 0
    counts = labels.bincount().tolist()
    result = few_shot(x, labels, shots=(25,), seeds=(0,), episodes=0)
    assert result["splits"][0]["train_per_class"] == [min(25, n // 2) for n in counts]
    assert "half of its samples" in result["splits"][0]["rule"]
    # So is the default, where no class has enough.
    assert few_shot(x[:60], labels[:60] * 0 + torch.arange(60) % 3, seeds=(0,), episodes=0)["fewer_shots"]


def test_episodes_that_cannot_be_drawn_are_left_out_and_said():
    x, labels = blobs()
    result = few_shot(x, labels, shots=(5, 15), seeds=(0,), ways=6, queries=20, episodes=4)
    assert [e["shots"] for e in result["episodes"]] == [5]
    skip = next(s for s in result["skipped"] if "episodes" in s["what"])
    assert skip == {"what": "6-way 15-shot episodes", "why": "0 of 6 classes have 15 + 20 samples: give fewer queries"}


def test_few_classes_are_the_ways_unless_more_are_asked_for():
    x, labels = blobs(classes=3)
    result = few_shot(x, labels, shots=(2,), seeds=(0,), episodes=4)
    assert [(e["ways"], e["queries"]) for e in result["episodes"]] == [(3, 15)]


def test_episodes_of_data_with_a_test_part_are_drawn_from_it():
    """Features of the training part are noise, those of the test part are the label itself."""
    train, test = (TensorSource(torch.zeros(60, 1, 1, 1), torch.arange(60) % 3) for _ in range(2))
    features = torch.cat([torch.randn(60, 3, generator=torch.Generator().manual_seed(0)), torch.eye(3)[test.labels]])
    encoder = Lookup(features)
    train.images[:, 0, 0, 0], test.images[:, 0, 0, 0] = torch.arange(60.0) / 120, torch.arange(60.0, 120.0) / 120
    result = few_shot(encoder, train, test, shots=(1, 5), seeds=(0, 1), episodes=20)
    mine = [e for e in result["episodes"] if e["representation"] == "pretrained"]
    assert [e["accuracy"]["euclidean"]["mean"] for e in mine] == [1.0, 1.0]
    assert {s["test"] for s in result["splits"]} == {60}
    assert row(result, representation="pretrained", probe="ridge", shots=5, metric="oa")["mean"] < 0.9


class Lookup(FrozenEncoder):
    """Gives the features of the sample whose number, divided by 120, is its only pixel."""

    def __init__(self, features):
        source = TensorSource(torch.arange(120.0).view(120, 1, 1, 1) / 120, torch.arange(120) % 3)
        metadata = {"encoder": {"in_chans": 1}, "feature_dim": 3}
        super().__init__(torch.nn.Identity(), fit_preprocess(source, "none"), metadata)
        self.features = features

    def forward(self, x):
        return self.features[(x.flatten() * 120).round().long()]

    def random_twin(self, seed):
        return self


@pytest.mark.slow
def test_block_splits_stand_beside_random_ones():
    encoder, scene = scene_encoder()
    result = few_shot(
        encoder, scene, splits=("random", "block"), shots=(2,), seeds=(0, 1), episodes=0, unknown=[3], fine_tune=False
    )
    assert {r["split"] for r in result["rows"]} == {r["split"] for r in result["open_set"]} == {"random", "block"}
    data = LabelledData(scene)
    for described in result["splits"]:
        kind, seed = described["split"], described["seed"]
        (pair,) = open_splits(data, (kind,), [3], (2,), (), (seed,), torch.tensor([0, 1]))
        split = pair.open if described["unknown"] else pair.closed
        inside, touching = leakage(split.train, split.test, 20, 20, 3)
        assert described["leakage"] == {"patch_size": 3, "inside": inside, "touching": touching}
        assert (touching > 0) == (kind == "random")
    gap = next(g for g in result["gaps"] if (g["representation"], g["probe"], g["metric"]) == ("raw", "ridge", "oa"))
    both = [row(result, representation="raw", probe="ridge", split=s, metric="oa") for s in ("random", "block")]
    assert gap["mean"] == pytest.approx(both[0]["mean"] - both[1]["mean"])


@pytest.mark.slow
def test_a_given_split_is_one_value_and_one_for_each_random_twin(tmp_path):
    encoder, scene = scene_encoder()
    kept = k_shot(scene.labels, 6, 1, [0, 1])
    write_split(tmp_path / "kept.json", kept, scene.labels, scene.class_names)
    result = few_shot(
        encoder, scene, splits=(str(tmp_path / "kept.json"),), seeds=(0, 1), episodes=0, unknown=[3], fine_tune=False
    )
    values = {r["representation"]: len(r["per_seed"]) for r in result["rows"] if r["metric"] == "oa"}
    assert values == {"pretrained": 1, "random": 2, "raw": 1, "window mean": 1, "pca": 1}
    assert {(s["split"], s["shots"], s["train"]) for s in result["splits"]} == {("kept", 6, 18)}
    print_few_shot(Result.model_validate({**result, "transductive": True}), Console(width=100), all_scores=True)


def test_classes_that_gave_fewer_samples_are_printed(capsys):
    x, labels = blobs()
    labels = labels.where((torch.arange(len(labels)) < 150) | (labels != 2), -1)
    result = few_shot(x, labels, shots=(5, 14), seeds=(0, 1), episodes=0)
    print_few_shot(Result.model_validate(result), Console(width=200), all_scores=True)
    printed = capsys.readouterr().out
    assert "random split, 14 shots: fewer training samples of 2 (12)" in printed
    assert "5 shots: fewer" not in printed


def test_splits_that_a_program_made_are_used_as_they_are():
    x, labels = blobs()
    splits = [k_shot(labels, 5, seed) for seed in (0, 1)]
    options = {"probes": ["ridge"], "episodes": 0}
    own = few_shot(x, labels, splits=splits, **options)
    drawn = few_shot(x, labels, splits=["random"], shots=[5], seeds=[0, 1], **options)
    assert [s["sha256_test"] for s in own["splits"]] == [s["sha256_test"] for s in drawn["splits"]]
    assert row(own, metric="oa", split="random")["per_seed"] == row(drawn, metric="oa")["per_seed"]


def test_features_are_never_called_fine_tuned():
    x, labels = blobs()
    found = few_shot(x, labels, shots=[5], seeds=[0], probes=["ridge"], episodes=0, fine_tune=True)
    assert found["fine_tune"] is None
    assert [skip["what"] for skip in found["skipped"]] == ["fine-tune"]
