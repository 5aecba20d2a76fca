import json

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from simclr.errors import InputError
from simclr.eval.commands import run_few_shot, run_linear_eval
from simclr.eval.probes.ridge_probe import ALPHAS
from simclr.eval.report_command import run_report
from simclr.eval.subject import feature_file
from simclr.eval.subject.feature_file import open_features
from simclr.eval.subject.rows import Rows

NUMBERS = np.array([10**6, 20240101, 7, 3])


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, n in (("train", 200), ("test", 80)):
        y = np.arange(n) % 4
        np.save(f"{name}.npy", (rng.normal(size=(n, 8)) + 2 * np.eye(4, 8)[y]).astype("f2"))
        np.save(f"{name}-classes.npy", np.where(np.arange(n) < 5, -1, NUMBERS[y]))
    np.savez("both.npz", features=np.load("train.npy"), labels=np.load("train-classes.npy"))
    np.save("images.npy", np.zeros((4, 8, 8)))
    np.save("wide.npy", np.zeros((80, 9)))
    np.save("broken.npy", np.full((80, 8), np.nan))
    return tmp_path


BOTH = ["data.labels=train-classes.npy", "data.test_path=test.npy", "data.test_labels=test-classes.npy"]


@pytest.mark.usefixtures("files")
def test_a_test_part_is_scored_as_scikit_learn_scores_it():
    run_linear_eval(feature_file.Path("train.npy"), BOTH, split="random", probes="ridge,knn")
    result = json.loads(feature_file.Path("runs/train-features/result.json").read_text())
    known = slice(5, None)
    model = make_pipeline(StandardScaler(), RidgeClassifierCV(ALPHAS)).fit(
        np.load("train.npy")[known].astype("f8"), np.load("train-classes.npy")[known]
    )
    expected = model.score(np.load("test.npy")[known].astype("f8"), np.load("test-classes.npy")[known])
    (row,) = [r for r in result["rows"] if (r["probe"], r["metric"]) == ("ridge", "accuracy")]
    assert row["mean"] == pytest.approx(expected)
    assert set(result["source"]["classes"]) == {str(number) for number in NUMBERS}
    assert (result["source"]["samples"], result["source"]["test_part"]) == (200, 80)


@pytest.mark.slow
@pytest.mark.usefixtures("files")
def test_few_shot_and_the_report_know_features_too():
    run_few_shot(feature_file.Path("both.npz"), seeds=2, shots="2", episodes=5, unknown="7")
    assert run_report(feature_file.Path("runs/both-features")).is_file()
    with pytest.raises(InputError, match="leave --from-head out"):
        run_few_shot(feature_file.Path("both.npz"), from_head=True)


@pytest.mark.usefixtures("files")
def test_large_features_stay_on_disk(monkeypatch):
    small, _ = open_features(feature_file.Path("train.npy"), BOTH)
    monkeypatch.setattr(feature_file, "MOST_AT_ONCE", 100)
    large, section = open_features(feature_file.Path("train.npy"), BOTH)
    assert isinstance(large.model, Rows)
    assert torch.equal(large.model[torch.arange(280)], small.model)
    assert section.labels == "train-classes.npy"


@pytest.mark.parametrize(
    ("path", "overrides", "message"),
    [
        ("train.npy", [], "holds no classes: name their file, data.labels=FILE"),
        ("train.npy", ["data.labels=train-classes.npy", "data.test_path=test.npy"], "data.test_labels=FILE"),
        ("train.npy", ["data.labels=test-classes.npy"], "200 samples, but there are 80 classes"),
        ("train.npy", ["data.lables=x.npy"], "did you mean data.labels"),
        ("train.npy", ["data.source=digits"], "which data.source=digits does not"),
        ("images.npy", ["data.labels=test-classes.npy"], "give features .N, dim.; give the encoder, and the images"),
        ("broken.npy", ["data.labels=test-classes.npy"], "NaN or infinity for 80 of 80"),
        ("missing.npy", [], "missing.npy"),
        (
            "train.npy",
            ["data.labels=train-classes.npy", "data.test_path=wide.npy", "data.test_labels=test-classes.npy"],
            "has 9 features, but train.npy has 8",
        ),
    ],
)
@pytest.mark.usefixtures("files")
def test_what_does_not_fit_together_is_named(path, overrides, message):
    with pytest.raises(InputError, match=message) as caught:
        open_features(feature_file.Path(path), overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("said", ["data.layout=NHW", "data.normalize=none", "data.mean=[0.5]", "data.eval_size=8"])
def test_what_says_something_of_images_is_refused(said):
    with pytest.raises(
        InputError, match=rf"{said.partition('=')[0]} says something of images, and train.npy holds fea"
    ):
        open_features(feature_file.Path("train.npy"), [*BOTH, said])
