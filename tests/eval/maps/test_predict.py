import numpy as np
import torch
from matplotlib.colors import to_rgb
from PIL import Image

from simclr.data.fitting import fit_preprocess
from simclr.data.preprocess import Preprocess
from simclr.data.scenes.scene import SceneSource
from simclr.eval.maps.picture import SceneMap, draw_scene_map
from simclr.eval.maps.predict import predict_with_unknown
from simclr.eval.open_set.calibration import held_out_scores
from simclr.eval.open_set.metrics import UNKNOWN
from simclr.eval.open_set.scores import OPEN_SCORES
from simclr.eval.open_set.thresholds import threshold
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.open_split import open_splits
from simclr.views.colours import PALETTE


class Mean(torch.nn.Module):
    def __init__(self, preprocess: Preprocess) -> None:
        super().__init__()
        self.preprocess = preprocess

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


def scene():
    """Three fields far apart from each other, on a ground that looks like none of them."""
    g = torch.Generator().manual_seed(0)
    truth = torch.zeros(20, 30, dtype=torch.int64)
    truth[1:9, 1:14], truth[1:9, 15:29], truth[11:19, 1:29] = 1, 2, 3
    cube = 100 * torch.eye(4, 8)[truth].permute(2, 0, 1)
    return SceneSource(cube + torch.randn(cube.shape, generator=g), truth, patch_size=1)


def unknown_split(source, shots):
    """A random split with class 2 unknown."""
    none = torch.empty(0, dtype=torch.int64)
    return open_splits(LabelledData(source), ("random",), [2], (shots,), (), (0,), none)[0].open


def test_an_unknown_class_is_rejected_and_known_ones_are_not():
    source = scene()
    split = unknown_split(source, 40)
    encoder = Mean(fit_preprocess(source))
    features = encoder(encoder.preprocess(source[torch.arange(600)]))
    learned = split.learned()
    held_out = held_out_scores(OPEN_SCORES["mahalanobis"], features[learned], source.labels[learned], None)
    cut, _ = threshold(held_out["mahalanobis"], "quantile")
    predicted = predict_with_unknown(encoder, source, split, cut).flatten()
    assert bool((predicted[source.labels == 2] == UNKNOWN).all())
    known = (source.labels >= 0) & (source.labels != 2)
    assert float((predicted == source.labels)[known].float().mean()) > 0.85  # about 5 % are meant to be rejected


def test_unknown_is_black_and_rejected_grey_and_counts_as_right(tmp_path, monkeypatch):
    source = scene()
    split = unknown_split(source, 10)
    truth = source.labels.reshape(20, 30)
    predicted = truth.where(truth != 2, UNKNOWN)
    titles = []
    monkeypatch.setattr("matplotlib.axes.Axes.set_title", lambda self, text, **kwargs: titles.append(text))
    draw_scene_map(tmp_path / "map.png", source, [SceneMap(split, {"pretrained": predicted})], [2])
    assert titles[-1] == "pretrained: open OA 100.0 % on test pixels"
    pixels = np.asarray(Image.open(tmp_path / "map.png").convert("RGB")).reshape(-1, 3)
    assert not (pixels == np.round(np.array(to_rgb(PALETTE[2])) * 255)).all(1).any()
    # The class fills 37 % of the scene: it is black in one panel of four, and rejected in two.
    black, grey = ((pixels == value).all(1).mean() for value in (0, 0x80))
    assert 0.04 < black < 0.2
    assert grey > 1.5 * black
