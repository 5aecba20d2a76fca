import functools
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from eval import linear_eval as module
from eval.linear_eval import linear_eval
from eval.score import score
from eval.splits import k_shot
from simclr.data import ImageFolder
from simclr.data.digits import load_digits
from simclr.data.preprocess import Preprocess, fit_preprocess
from simclr.data.scene import SceneSource
from simclr.data.tensor_source import TensorSource
from simclr.errors import InputError


class Projection(nn.Module):
    """A random linear map of the pixels and a ReLU; seeds give other maps."""

    feature_dim = 32

    def __init__(self, preprocess: Preprocess, inputs: int, seed: int = 99, metadata: dict | None = None) -> None:
        super().__init__()
        self.preprocess, self.inputs = preprocess, inputs
        self.metadata = metadata or {}
        self.linear = nn.Linear(inputs, self.feature_dim, bias=False)
        g = torch.Generator().manual_seed(seed)
        self.linear.weight.data = torch.randn(self.feature_dim, inputs, generator=g) / inputs**0.5

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.flatten(1)).relu()

    def random_twin(self, seed: int) -> "Projection":
        return Projection(self.preprocess, self.inputs, seed, self.metadata)


def small_scene(classes=4):
    """Four quarters of one spectrum each, with noise; a border without labels."""
    g = torch.Generator().manual_seed(0)
    truth = torch.zeros(24, 24, dtype=torch.int64)
    truth[2:12, 2:12], truth[2:12, 13:22], truth[13:22, 2:12], truth[13:22, 13:22] = 1, 2, 3, min(classes, 4)
    spectra = torch.randn(5, 10, generator=g) * 30
    cube = spectra[truth].permute(2, 0, 1) + torch.randn(10, 24, 24, generator=g) * 40 + 500
    return SceneSource(cube, truth, patch_size=3)


@functools.cache
def scene_result():
    source = small_scene()
    excluded = source.labelled_ids()[::15].tolist()
    encoder = Projection(fit_preprocess(source), 90, metadata={"monitor_ids": excluded})
    return source, encoder, excluded, linear_eval(encoder, source, shots=(3, 8), seeds=range(3))


def row(result, **wanted):
    (found,) = [r for r in result["rows"] if all(r[k] == v for k, v in wanted.items())]
    return found


def test_a_scene_has_a_row_for_everything():
    _, _, _, result = scene_result()
    keys = [(r["representation"], r["probe"], r["split"], r["shots"], r["metric"]) for r in result["rows"]]
    assert len(keys) == len(set(keys)) == 5 * 3 * 2 * 2 * 3
    assert all(len(r["per_seed"]) == len(r["selected"]) == 3 for r in result["rows"])
    assert {r["split"] for r in result["rows"]} == {"random", "block"}
    assert result["encoder"]["sha256_before"] == result["encoder"]["sha256_after"]


def test_a_number_of_the_result_drawn_again_by_hand():
    source, encoder, excluded, result = scene_result()
    split = k_shot(source.labels, 8, 1, excluded)
    described = next(s for s in result["splits"] if (s["shots"], s["seed"]) == (8, 1))
    assert described["sha256_train"] == split.digest()["train"]
    assert described["sha256_test"] == split.digest()["test"]
    assert not set(excluded) & {*split.train.tolist(), *split.test.tolist()}
    with torch.no_grad():
        for name, network in (("pretrained", encoder), ("random", encoder.random_twin(1))):
            features = network(encoder.preprocess(source[torch.arange(len(source))]))
            (expected,) = score(features, source.labels, [split], ["ridge"])
            found = row(result, representation=name, probe="ridge", split="random", shots=8, metric="kappa")
            assert found["per_seed"][1] == pytest.approx(expected.metrics["kappa"], abs=1e-9)
    spectra = encoder.preprocess.to_units(source.cube[None])[0].flatten(1).T
    (expected,) = score(spectra, source.labels, [split], ["knn"])
    found = row(result, representation="raw", probe="knn", split="random", shots=8, metric="oa")
    assert found["per_seed"][1] == pytest.approx(expected.metrics["oa"], abs=1e-9)


def test_the_same_call_gives_the_same_result():
    source, encoder, _, result = scene_result()
    assert linear_eval(encoder, source, shots=(3, 8), seeds=range(3))["rows"] == result["rows"]


def test_digits_are_halved_and_measured_by_accuracy():
    source = load_digits()
    ids = torch.arange(0, 1797, 4)
    source = TensorSource(source.images[ids], source.labels[ids], name="digits")
    result = linear_eval(Projection(fit_preprocess(source), 64), source, seeds=(0, 1), probes=["ridge"])
    assert {(r["split"], r["shots"], r["metric"]) for r in result["rows"]} == {("stratified", None, "accuracy")}
    for split in result["splits"]:
        counts = source.labels.bincount()
        assert split["train_per_class"] == [min(max(round(n / 2), 1), n - 1) for n in counts.tolist()]
    assert row(result, representation="raw")["mean"] > 0.85


def parts(n_train=60, n_test=30):
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(n_train + n_test) % 3
    images = torch.randint(0, 60, (n_train + n_test, 1, 4, 4), dtype=torch.uint8, generator=g)
    images[:, 0, 0, :3] += (torch.nn.functional.one_hot(labels, 3) * 60).to(torch.uint8)
    return TensorSource(images[:n_train], labels[:n_train]), TensorSource(images[n_train:], labels[n_train:])


def test_a_test_part_of_its_own_is_used_whole_and_only_for_testing():
    train, test = parts()
    encoder = Projection(fit_preprocess(train), 16, metadata={"monitor_ids": [0, 1, 2]})
    result = linear_eval(encoder, train, test, seeds=(0, 1, 2))
    assert [(s["split"], s["train"], s["test"]) for s in result["splits"]] == [("given", 60, 30)]
    assert len(row(result, representation="pretrained", probe="ridge")["per_seed"]) == 1
    assert row(result, representation="pretrained", probe="ridge")["sd"] is None
    assert len(row(result, representation="random", probe="ridge")["per_seed"]) == 3
    with torch.no_grad():
        features = [encoder(encoder.preprocess(part.images)).double().numpy() for part in (train, test)]
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=module.ALPHAS)).fit(features[0], train.labels)
    expected = model.score(features[1], test.labels)
    assert row(result, representation="pretrained", probe="ridge")["mean"] == pytest.approx(expected)


def test_shots_of_a_training_part_are_scored_on_the_whole_test_part():
    train, test = parts()
    result = linear_eval(Projection(fit_preprocess(train), 16), train, test, shots=(4,), seeds=(0, 1), probes=["knn"])
    assert [(s["train"], s["test"]) for s in result["splits"]] == [(12, 30)] * 2


def test_the_test_part_must_not_be_the_training_part():
    train, test = parts()
    encoder = Projection(fit_preprocess(train), 16)
    with pytest.raises(InputError, match="all 60 test samples are in the training part"):
        linear_eval(encoder, train, train, seeds=(0,), probes=["knn"])
    test.images[:7] = train.images[20:27]
    assert linear_eval(encoder, train, test, seeds=(0,), probes=["knn"])["repeated_in_training_part"] == 7


def test_a_class_of_one_sample_is_left_out_and_named():
    train, _ = parts()
    labels = train.labels.clone()
    labels[labels == 2] = -1
    labels[5] = 2
    source = TensorSource(train.images, labels, class_names=["a", "b", "rare"])
    result = linear_eval(Projection(fit_preprocess(train), 16), source, shots=(5,), seeds=(0,), probes=["knn"])
    assert result["splits"][0]["left_out"] == ["rare"]
    assert result["splits"][0]["train_per_class"] == [5, 5, 0]


def test_bad_input_is_one_line():
    train, test = parts()
    encoder = Projection(fit_preprocess(train), 16)
    cases = [
        ({"source": TensorSource(train.images)}, "no labelled sample"),
        ({"source": TensorSource(train.images, torch.zeros(60, dtype=torch.int64))}, "one class only"),
        ({"test_source": TensorSource(test.images)}, "test part of tensor has no labelled"),
        ({"test_source": TensorSource(test.images, test.labels, class_names=["x", "y", "z"])}, "same classes"),
        ({"exclude": [60]}, "belong to other data"),
        ({"seeds": ()}, "seeds is empty"),
        ({"shots": (0,)}, "shots is 0"),
        ({"probes": ["svm"]}, "no probe 'svm'"),
        ({"probes": []}, "no probe is given"),
    ]
    for change, message in cases:
        with pytest.raises(InputError, match=message) as error:
            linear_eval(encoder, **{"source": train, "seeds": (0,), **change})
        assert "\n" not in str(error.value)
    encoder.metadata = {"monitor_ids": [3, 77]}
    with pytest.raises(InputError, match="exclude nothing"):
        linear_eval(encoder, train, seeds=(0,))


def test_paired_differences_are_of_the_same_seed():
    from scipy.stats import ttest_rel

    _, _, _, result = scene_result()
    for difference in result["paired"]:
        key = {k: difference[k] for k in ("probe", "shots", "labels", "split", "metric")}
        ours = row(result, representation="pretrained", **key)["per_seed"]
        theirs = row(result, representation=difference["difference"].split(" - ")[1], **key)["per_seed"]
        assert difference["per_seed"] == pytest.approx([a - b for a, b in zip(ours, theirs)])
        expected = ttest_rel(ours, theirs).confidence_interval(0.95)
        if not math.isnan(expected.low):
            assert difference["ci95"] == pytest.approx([expected.low, expected.high])


def test_a_damaged_image_of_a_streamed_source_is_left_out_and_named(tmp_path):
    """It is found while features are extracted; another image's features must not be scored under its label."""
    rng = np.random.default_rng(0)
    for c in range(2):
        (tmp_path / str(c)).mkdir()
        for i in range(8):
            pixels = rng.integers(100 * c, 100 * c + 100, (6, 6), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / str(c) / f"{i}.png")
    (tmp_path / "0" / "3.png").write_bytes(b"damaged")
    source = ImageFolder(tmp_path, max_damaged=0.1)
    encoder = Projection(Preprocess(1, "unit"), 36)
    result = linear_eval(encoder, source, seeds=(0,), probes=("ridge",))
    assert [name.replace("\\", "/") for name in result["damaged"]] == ["0/3.png"]
    (split,) = result["splits"]
    assert split["train"] + split["test"] == 15
