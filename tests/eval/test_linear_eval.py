import functools
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits as load_scikit_digits
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.metrics import normalized_mutual_info_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from simclr.data import ImageFolder
from simclr.data.fitting import fit_preprocess
from simclr.data.images.digits import load_digits
from simclr.data.preprocess import Preprocess
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import TensorSource
from simclr.errors import InputError
from simclr.eval.linear_eval import linear_eval
from simclr.eval.metrics.calibration import expected_calibration_error
from simclr.eval.probes.ridge_probe import ALPHAS
from simclr.eval.probes.score import score
from simclr.eval.report.linear_grids import accuracy_grid
from simclr.eval.results.record import Result
from simclr.eval.splits.split import Split, given, hold_out, k_shot, stratified


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
    accuracies = 3 * 2 * 2 * 3  # probes, splits, shots, metrics
    calibration = 2 * 2 * 2  # splits, shots, plain and scaled
    assert len(keys) == len(set(keys)) == 5 * (accuracies + calibration + len(("r_at_1", "map_at_r", "nmi")))
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


def test_neighbours_clusters_and_calibration_by_hand():
    source, encoder, _, result = scene_result()
    with torch.no_grad():
        h = encoder(encoder.preprocess(source[torch.arange(len(source))]))
    split = k_shot(source.labels, 3, 2, encoder.metadata["monitor_ids"])
    y = source.labels[split.test].numpy()
    x = torch.nn.functional.normalize(h[split.test], dim=1).double().numpy()
    cosine = x @ x.T
    np.fill_diagonal(cosine, -np.inf)
    expected = (y[cosine.argmax(1)] == y).mean()
    ours = {m: row(result, representation="pretrained", metric=m) for m in ("r_at_1", "nmi")}
    assert ours["r_at_1"]["per_seed"][2] == pytest.approx(expected)
    assert ours["r_at_1"]["selected"][2] == {"samples": len(y), "of": len(y)}
    clusters = KMeans(4, n_init=10, random_state=2).fit_predict(h[split.test].numpy())
    assert ours["nmi"]["per_seed"][2] == pytest.approx(normalized_mutual_info_score(y, clusters))
    assert (ours["nmi"]["shots"], ours["nmi"]["split"]) == (None, "random")

    split = k_shot(source.labels, 8, 2, encoder.metadata["monitor_ids"])
    scaler = StandardScaler().fit(h[split.train])
    model = LogisticRegression(tol=1e-8, max_iter=10_000).fit(
        scaler.transform(h[split.train]), source.labels[split.train]
    )
    logits = torch.tensor(model.decision_function(scaler.transform(h[split.test])))
    found = row(result, representation="pretrained", split="random", shots=8, metric="ece_scaled")
    p = (logits / found["selected"][2]["temperature"]).softmax(1)
    ece = expected_calibration_error(p.amax(1), p.argmax(1) == source.labels[split.test])
    assert found["per_seed"][2] == pytest.approx(ece, abs=2e-3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shots": 10}, "shots is 10: give a list of whole numbers"),
        ({"shots": ["10"]}, "give a list of whole numbers"),
        ({"shots": [2.5]}, "give a list of whole numbers"),
        ({"seeds": 3}, "seeds is 3: give a list of whole numbers"),
        ({"samples": torch.arange(60) % 3 + 0.5}, "a class is 0.5: give whole numbers"),
        ({"samples": torch.full((60,), math.nan)}, "a class is nan"),
        ({"model": torch.randn(60, 4, dtype=torch.complex64)}, "give real numbers"),
        ({"model": torch.zeros(0, 4), "samples": []}, r"features are \(0, 4\): give \(N, dim\)"),
        ({"exclude": [60]}, "exclude names 60, but the samples are 0 to 59"),
        ({"exclude": [-1]}, "exclude names -1"),
    ],
)
def test_arguments_that_are_no_numbers_are_refused(changes, words):
    given = {"model": torch.randn(60, 4), "samples": torch.arange(60) % 3, "shots": [5], "probes": ["ridge"]}
    with pytest.raises(InputError, match=words):
        linear_eval(**{**given, **changes})


def test_lists_and_features_with_a_graph_are_taken():
    features, classes = torch.randn(60, 4), torch.arange(60) % 3
    wanted = linear_eval(features, classes, shots=[5], seeds=[0], probes=["ridge"])["rows"]
    graph = features.clone().requires_grad_()
    assert linear_eval(graph, classes.tolist(), shots=[5], seeds=[0], probes="ridge")["rows"] == wanted


def test_a_matrix_of_features_is_judged_without_an_encoder():
    pixels, classes = (torch.tensor(part) for part in load_scikit_digits(return_X_y=True))
    split = given(range(0, 1797, 2), range(1, 1797, 2))
    result = linear_eval(pixels, classes, splits=[split], seeds=[0], probes=["ridge", "knn"])
    model = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=ALPHAS)).fit(pixels[::2], classes[::2])
    found = row(result, probe="ridge", metric="accuracy")
    assert found["mean"] == pytest.approx(model.score(pixels[1::2], classes[1::2]))
    assert {r["representation"] for r in result["rows"]} == {"features"}
    assert (result["paired"], result["encoder"]["frozen"], result["encoder"]["feature_dim"]) == ([], False, 64)
    assert result["selected_on"].startswith("training part only (ridge: leave-one-out on the training samples; knn")
    json.dumps(result)
    same = linear_eval(pixels.numpy(), classes.int().numpy(), splits=[split], seeds=[0], probes=["ridge", "knn"])
    assert same["rows"] == result["rows"]
    with pytest.raises(InputError, match="features cannot be trained"):
        linear_eval(pixels, classes, supervised=True)
    with pytest.raises(InputError, match=r"features are \(1797, 64\), but there are 1796 classes"):
        linear_eval(pixels, classes[1:])
    with pytest.raises(InputError, match="an encoder with a source, or a matrix of features with its classes"):
        linear_eval(pixels, load_digits())
    broken = pixels.clone()
    broken[7, 3] = torch.nan
    with pytest.raises(
        InputError, match=r"features \(features\) hold NaN or infinity for 1 of 1797 samples, first id 7"
    ):
        linear_eval(broken, classes)


@pytest.mark.slow
def test_standardising_and_the_validation_part_are_in_the_protocol():
    pixels, classes = (torch.tensor(part) for part in load_scikit_digits(return_X_y=True))
    pixels, classes = pixels[::4] * torch.logspace(-2, 2, 64), classes[::4]
    options = {"seeds": [0], "probes": ["ridge", "logistic"]}
    results = [linear_eval(pixels, classes, **options, **change) for change in ({}, {"standardise": False})]
    results.append(linear_eval(pixels, classes, validation=0.25, **options))
    assert len({r["protocol"] for r in results}) == 3
    assert [r["standardise"] for r in results] == [True, False, True]
    means = [row(r, probe="ridge", metric="accuracy")["mean"] for r in results]
    assert means[0] != means[1]
    split = hold_out(stratified(classes, 0.5, 0), classes, 0.25)
    assert results[2]["splits"][0]["sha256_validation"] == split.digest()["validation"]
    for probe in ("ridge", "logistic"):
        (selected,) = row(results[2], probe=probe, metric="accuracy")["selected"]
        assert selected["selected_on"] == "the split's validation part"
        assert selected["validation_samples"] == len(split.validation)
    assert "the split's validation part" in results[2]["selected_on"]


class Counts(Projection):
    """Not frozen: a buffer changes with every batch, also in eval mode."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.register_buffer("seen", torch.zeros(()), persistent=False)

    def forward(self, x):
        self.seen += len(x)
        return super().forward(x)


class Normed(Projection):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.norm = nn.BatchNorm1d(self.inputs)

    def forward(self, x):
        return super().forward(self.norm(x.flatten(1)))

    def random_twin(self, seed):
        return Normed(self.preprocess, self.inputs, seed)


def test_an_encoder_that_changes_while_it_is_judged_is_caught():
    train, test = parts()
    with pytest.raises(RuntimeError, match="not frozen"):
        linear_eval(Counts(fit_preprocess(train), 16), train, test, seeds=(0,))


def test_batch_norm_left_in_train_mode_neither_leaks_nor_learns():
    train, test = parts()
    encoder = Normed(fit_preprocess(train), 16)
    encoder.norm.running_mean += 0.3
    results = [linear_eval(e, train, test, seeds=(0,), probes=["ridge"]) for e in (encoder.train(), encoder.eval())]
    assert results[0]["rows"] == results[1]["rows"]
    assert encoder.norm.num_batches_tracked == 0


def test_features_that_are_no_numbers_are_named():
    train, test = parts()
    encoder = Projection(fit_preprocess(train), 16)
    encoder.linear.weight.data[3] = torch.nan
    with pytest.raises(
        InputError, match="the encoder's features hold NaN or infinity for 60 of 60 samples, first id 0"
    ):
        linear_eval(encoder, train, test, seeds=(0,))


def test_a_small_class_gives_half_and_is_named():
    train, _ = parts()
    labels = train.labels.clone()
    labels[labels == 2] = -1
    labels[:18:3] = 2
    source = TensorSource(train.images, labels, class_names=["a", "b", "small"])
    result = linear_eval(Projection(fit_preprocess(train), 16), source, shots=(3, 5), seeds=(0, 1), probes=["knn"])
    assert result["fewer_shots"] == [{"split": "random", "shots": 5, "classes": {"small": [3, 3]}}]


@pytest.mark.slow
def test_the_same_call_gives_the_same_result():
    source, encoder, _, result = scene_result()
    assert linear_eval(encoder, source, shots=(3, 8), seeds=range(3))["rows"] == result["rows"]


def test_digits_are_halved_and_measured_by_accuracy():
    source = load_digits()
    ids = torch.arange(0, 1797, 4)
    source = TensorSource(source.images[ids], source.labels[ids], name="digits")
    result = linear_eval(Projection(fit_preprocess(source), 64), source, seeds=(0, 1), probes=["ridge"])
    assert {(r["split"], r["shots"], r["metric"]) for r in result["rows"] if r["probe"] == "ridge"} == {
        ("stratified", None, "accuracy")
    }
    for split in result["splits"]:
        counts = source.labels.bincount()
        assert split["train_per_class"] == [min(max(round(n / 2), 1), n - 1) for n in counts.tolist()]
    assert row(result, representation="raw", metric="accuracy")["mean"] > 0.85


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
    assert len(row(result, representation="pretrained", probe="ridge", metric="accuracy")["per_seed"]) == 1
    assert row(result, representation="pretrained", probe="ridge", metric="accuracy")["sd"] is None
    assert len(row(result, representation="random", probe="ridge", metric="accuracy")["per_seed"]) == 3
    with torch.no_grad():
        features = [encoder(encoder.preprocess(part.images)).double().numpy() for part in (train, test)]
    model = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=ALPHAS)).fit(features[0], train.labels)
    expected = model.score(features[1], test.labels)
    assert row(result, representation="pretrained", probe="ridge", metric="accuracy")["mean"] == pytest.approx(expected)


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


class NeverRun(Projection):
    def forward(self, x):
        raise AssertionError("features were extracted first")


def test_bad_input_is_one_line_before_any_feature_is_extracted():
    train, test = parts()
    encoder = NeverRun(fit_preprocess(train), 16)
    only_in_test = Split("mine", torch.tensor([0, 1, 3, 4]), torch.tensor([5, 6]))
    cases = [
        ({"samples": TensorSource(train.images)}, "no labelled sample"),
        ({"samples": TensorSource(train.images, torch.zeros(60, dtype=torch.int64))}, "one class only"),
        ({"test_source": TensorSource(test.images)}, "test part of tensor has no labelled"),
        ({"test_source": TensorSource(test.images, test.labels, class_names=["x", "y", "z"])}, "same classes"),
        ({"exclude": [60]}, "belong to other data"),
        ({"seeds": ()}, "seeds is empty"),
        ({"shots": (0,)}, "shots is 0"),
        ({"shots": (5, 3, 5)}, "shots names 5 more than once"),
        ({"shots": (5, 100_000)}, "shots is 100000, but .* the largest, 0, has 20: give 10 or fewer"),
        ({"shares": (0.1, 0.1)}, "labels names 0.1 more than once"),
        ({"shares": (0.0,)}, "0 is no share"),
        ({"shares": (2.0,)}, "2 is no share"),
        ({"validation": 1.0}, "validation is 1"),
        ({"shots": (3,), "validation": 0.2}, "no class of the random split has the 4 training samples"),
        ({"splits": ("rnadom",)}, "write random, block, a split file"),
        ({"splits": ("block",)}, "a block split is one of a scene's pixels"),
        ({"splits": (only_in_test,)}, "mine split has test samples but no training sample of 2"),
        ({"splits": (only_in_test,), "shots": (3,)}, "no class of the training part of the mine split has more than 2"),
        ({"probes": ["svm"]}, "no probe 'svm'"),
        ({"probes": []}, "no probe is given"),
    ]
    for change, message in cases:
        with pytest.raises(InputError, match=message) as error:
            linear_eval(encoder, **{"samples": train, "seeds": (0,), **change})
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


def test_any_negative_class_of_features_is_unlabelled():
    features, classes = torch.randn(60, 4, generator=torch.Generator().manual_seed(0)), torch.arange(60) % 3
    classes[::7] = -1
    wanted = linear_eval(features, classes, shots=[5], seeds=[0], probes=["ridge"])
    classes[::7] = -9999
    assert linear_eval(features, classes, shots=[5], seeds=[0], probes=["ridge"])["rows"] == wanted["rows"]


def test_all_labels_stand_beside_shares_of_them_as_a_single_fit():
    train, test = parts()
    encoder = Projection(fit_preprocess(train), 16)
    asked = {"seeds": (0, 1, 2), "probes": ["ridge"]}
    whole = linear_eval(encoder, train, test, **asked)
    both = linear_eval(encoder, train, test, shares=(0.5, 1.0), **asked)
    for name in ("pretrained", "random", "raw"):
        (full,) = [
            r for r in both["rows"] if (r["representation"], r["labels"], r["metric"]) == (name, None, "accuracy")
        ]
        assert full["per_seed"] == row(whole, representation=name, metric="accuracy")["per_seed"]
        assert len(row(both, representation=name, labels=0.5, metric="accuracy")["per_seed"]) == 3
    assert len({tuple(r["seeds"]) for r in both["rows"] if r["metric"] == "nmi"}) == 1
    assert "labels=50%,all" in both["protocol"]
    with pytest.raises(InputError, match="100 % of the labels leaves none to test on: give less, or a test part"):
        linear_eval(encoder, train, shares=(1.0,))
    found = Result.model_validate(whole)
    assert accuracy_grid(found, "given").caption.endswith("%, single fits; mean ± sd over 3 seeds where ± stands")


def test_two_splits_of_one_name_are_refused():
    train, _ = parts()
    encoder, half = Projection(fit_preprocess(train), 16), given(range(30), range(30, 60))
    with pytest.raises(InputError, match="two splits are called given: give each kind once, and files names of"):
        linear_eval(encoder, train, splits=[half, half])
    with pytest.raises(InputError, match="two splits are called stratified"):
        linear_eval(encoder, train, splits=["random", "random"])
