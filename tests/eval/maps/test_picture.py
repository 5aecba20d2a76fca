import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from PIL import Image
from torch import Tensor, nn

from simclr.data.fitting import fit_preprocess
from simclr.data.preprocess import Preprocess
from simclr.data.scenes.scene import SceneSource
from simclr.eval.maps.picture import SceneMap, draw_scene_map, map_title
from simclr.eval.maps.predict import pixel_features, predict_pixels
from simclr.eval.probes.score import score
from simclr.eval.splits.split import Split, k_shot
from simclr.views.colours import PALETTE


class Mean(nn.Module):
    def __init__(self, preprocess: Preprocess) -> None:
        super().__init__()
        self.preprocess = preprocess

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def scene():
    g = torch.Generator().manual_seed(0)
    truth = torch.zeros(20, 30, dtype=torch.int64)
    truth[1:9, 1:14], truth[1:9, 15:29], truth[11:19, 1:29] = 3, 5, 9
    cube = torch.randn(10, 12, generator=g)[truth].permute(2, 0, 1) * 100
    return SceneSource(cube + torch.randn(cube.shape, generator=g) * 60, truth, patch_size=3)


def test_the_map_holds_the_predictions_that_are_scored():
    source = scene()
    split = k_shot(source.labels, 5, 0)
    encoder = Mean(fit_preprocess(source))
    features = encoder(encoder.preprocess(source[torch.arange(600)]))
    kept = []

    def watch(probe, split):
        return lambda prediction: kept.append(prediction) or predict_pixels(prediction.classify, pixels, source)

    pixels = pixel_features(encoder, source)
    (expected,) = score(features, source.labels, [split], ["ridge"], watch=watch)
    predicted, (prediction,) = expected.beside, kept
    assert predicted.shape == (20, 30)
    assert torch.equal(predicted.flatten()[split.test], prediction.classes)
    right = (predicted.flatten() == source.labels)[split.test].float().mean()
    assert abs(float(right) - expected.metrics["oa"]) < 0.005


def test_the_picture_shows_each_class_in_its_colour(tmp_path):
    source = scene()
    split = k_shot(source.labels, 5, 0)
    truth = source.labels.reshape(20, 30)
    draw_scene_map(tmp_path / "map.png", source, [SceneMap(split, {"pretrained": truth.clamp_min(0)})])
    pixels = np.asarray(Image.open(tmp_path / "map.png").convert("RGB")).reshape(-1, 3)
    assert [p.name for p in tmp_path.iterdir()] == ["map.png"]
    shares = [(pixels == np.round(np.array(to_rgb(PALETTE[c])) * 255)).all(1).sum() for c in range(3)]
    # Regions of 104, 112 and 224 pixels, each in three panels; the first class also fills the unlabelled part of one.
    unlabelled = int((truth < 0).sum())
    assert shares[1] / shares[2] == pytest.approx(112 / 224, rel=0.1)
    assert shares[0] / shares[2] == pytest.approx((3 * 104 + unlabelled) / (3 * 224), rel=0.1)


def test_the_title_says_from_which_labels_a_map_was_learned():
    labels = scene().labels
    assert map_title(k_shot(labels, 5, 3)) == "random split, 5 shots, seed 3"
    given = Split("given", torch.tensor([40]), torch.tensor([50]))
    assert map_title(given) == "given split, all labels"


def test_every_kind_of_split_has_its_rows_and_its_own_accuracies(tmp_path, monkeypatch):
    source = scene()
    truth = source.labels.reshape(20, 30)
    titles, beside = [], []
    monkeypatch.setattr("matplotlib.axes.Axes.set_title", lambda self, text, **kwargs: titles.append(text))
    monkeypatch.setattr("matplotlib.axes.Axes.set_ylabel", lambda self, text, **kwargs: beside.append(text))
    random, block = k_shot(source.labels, 5, 0), Split("block", torch.tensor([32]), torch.tensor([50, 57, 331, 332]))
    wrong = truth.where(torch.arange(30) < 20, 0)  # two of the four test pixels of the block split are classified 0
    maps = [SceneMap(s, {"pretrained": truth.clamp_min(0), "raw input": wrong}) for s in (random, block)]
    draw_scene_map(tmp_path / "map.png", source, maps, texts={"a": "b"})
    assert beside == ["random split, 5 shots, seed 0", "block split, all labels"]
    assert [t for t in titles if "OA" in t][2:] == [
        "pretrained: OA 100.0 % on test pixels",
        "raw input: OA 50.0 % on test pixels",
    ]
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.info["a"] == "b"
