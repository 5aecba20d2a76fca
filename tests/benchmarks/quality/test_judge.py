"""Cells of features that are small enough to be checked by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import StandardScaler

from benchmarks.quality.ground import capped, ground_of
from benchmarks.quality.images import Images
from benchmarks.quality.judge import PROBES, cells_of, held_out_accuracy
from benchmarks.quality.scenes import Scene, save_scene
from benchmarks.quality.sets import Prepared
from simclr.eval.metrics.retrieval import retrieval
from simclr.eval.splits.split import Split


def blobs(n=12, dim=5, classes=3, spread=1.2, seed=0):
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    return torch.randn(n, dim, generator=g) + spread * torch.randn(classes, dim, generator=g)[y], y


def one_of_each_left_out(make, x, y):
    """Of equally many samples of each class: the j-th of every class at a time."""
    right = []
    for j in range(len(y) // len(y.unique())):
        held = np.array([(y[:i] == y[i]).sum().item() == j for i in range(len(y))])
        model = make().fit(x[~held].numpy(), y[~held].numpy())
        right += (model.predict(x[held].numpy()) == y[held].numpy()).tolist()
    return np.mean(right)


def test_held_out_accuracy_leaves_one_sample_of_each_class_out():
    x, y = blobs()
    expected = one_of_each_left_out(NearestCentroid, x, y)
    assert 0.3 < expected < 1
    assert held_out_accuracy("prototype euclidean", x, y) == pytest.approx(expected)


def test_the_logistic_probe_is_held_out_like_any_other():
    x, y = blobs(spread=0.6)
    scale = StandardScaler

    class Model:
        def fit(self, a, b):
            self.units = scale().fit(a)
            self.model = LogisticRegression(C=1.0, max_iter=1000).fit(self.units.transform(a), b)
            return self

        def predict(self, a):
            return self.model.predict(self.units.transform(a))

    assert held_out_accuracy("logistic", x, y) == pytest.approx(one_of_each_left_out(Model, x, y))


def test_a_single_sample_of_each_class_leaves_nothing_to_hold_out():
    x, y = blobs(3)
    assert held_out_accuracy("ridge", x, y) is None
    x, y = torch.cat([x, x[:1] + 0.01]), torch.cat([y, y[:1]])
    assert held_out_accuracy("prototype euclidean", x, y) == 1  # only the pair is classified


def prepared(content, file=Path("none"), kind="image"):
    return Prepared("small", kind, "small", content, file, "digest")


def images(episodes=False):
    g = np.random.default_rng(0)
    pixels = g.integers(0, 256, (440, 4, 4), dtype=np.uint8)
    labels = np.arange(440) % (20 if episodes else 2)
    return Images(pixels[:100], labels[:100], pixels[100:], labels[100:], episodes)


def test_images_are_asked_for_probes_at_two_shares_and_for_neighbours():
    ground = ground_of(prepared(images()), (0, 1))
    features = torch.randn(len(ground.ids), 6, generator=torch.Generator().manual_seed(1))
    cells = cells_of("ours", features, ground)
    places = dict.fromkeys(cell.place for cell in cells)
    assert list(places) == [("given", "1%", "accuracy"), ("given", "10%", "accuracy"), ("given", "all", "R@1")]
    assert tuple(cell.probe for cell in cells if cell.amount == "10%") == PROBES
    assert all(cell.held_out is not None for cell in cells if cell.amount == "10%")
    assert all(cell.held_out is None for cell in cells if cell.amount != "10%")  # of one sample a class
    for seed in (0, 1):
        asked = ground.questions[-1].samples[seed]
        assert (len(asked), int(asked.min()) >= 100) == (170, True)  # half of the test part
        rows = [int((ground.ids == i).nonzero()) for i in asked]
        assert cells[-1].test[seed] == retrieval(features[rows], ground.data.labels[asked]).r_at_1
    assert cells[-1].test[0] != cells[-1].test[1]


def test_a_perfect_representation_is_perfect_and_labels_of_the_test_part_are_not_learned_from():
    ground = ground_of(prepared(images()), (0,))
    labels = ground.data.labels[ground.ids]
    one_hot = torch.nn.functional.one_hot(labels, 2).float()
    assert {cell.test for cell in cells_of("ours", one_hot, ground)} == {(1.0,)}
    # Where the test part's classes are turned round, so is the accuracy.
    turned = torch.where((ground.ids >= 100)[:, None], one_hot.flip(1), one_hot)
    wrong = [cell for cell in cells_of("ours", turned, ground) if cell.metric == "accuracy"]
    assert {cell.test for cell in wrong} == {(0.0,)}


def test_new_classes_are_judged_in_episodes():
    ground = ground_of(prepared(images(episodes=True)), (0, 1))
    one_hot = torch.nn.functional.one_hot(ground.data.labels, 20).float()
    cells = cells_of("ours", one_hot + 1e-3 * torch.randn(340, 20), ground)
    assert {cell.place for cell in cells} == {("episodes", "1", "accuracy")}
    assert [cell.probe for cell in cells] == ["prototype cosine", "prototype euclidean", "prototype standardized"]
    assert cells[1].test == (1.0, 1.0)


@pytest.fixture
def scene(tmp_path):
    g = np.random.default_rng(0)
    labels = np.repeat(np.arange(1, 4), 20)[:, None].repeat(60, 1)
    content = Scene(g.uniform(1, 9, (60, 60, 4)).astype(np.float32), labels, unknown=True)
    return prepared(content, save_scene(content, tmp_path / "small"), "scene")


def test_a_scene_is_asked_on_both_splits_and_for_each_class_as_an_unknown_one(scene):
    ground = ground_of(scene, (0, 1))
    g = torch.Generator().manual_seed(0)
    labels = ground.data.labels[ground.ids]
    features = torch.nn.functional.one_hot(labels, 3) + 0.05 * torch.randn(len(labels), 3, generator=g)
    cells = cells_of("ours", features, ground)
    assert len({cell.place for cell in cells}) == 4 + 3 * 2
    assert min(min(cell.test) for cell in cells) > 0.95
    # Baselines but the spectrum are not asked for unknown classes.
    assert {cell.split for cell in cells_of("pca", features, ground)} == {"random", "block"}


def test_block_splits_keep_patches_apart_whatever_the_encoders_are(scene):
    ground = ground_of(scene, (3,))
    blocks = [split for asked in ground.questions if asked.split == "block" for split in asked.splits]
    for split in blocks:
        (y, x), (v, u) = ((ids // 60, ids % 60) for ids in (split.train, split.test))
        reach = torch.maximum((y[:, None] - v).abs(), (x[:, None] - u).abs())
        assert int(reach.min()) > 8
    assert ground.seen_by(9) is ground.data
    smaller = ground.seen_by(3)
    assert smaller.source.patch_size == 3
    assert torch.equal(smaller.labels, ground.data.labels)
    with pytest.raises(ValueError, match="reach across block splits"):
        ground.seen_by(11)


def test_test_samples_are_capped_by_the_seed():
    split = Split("random", torch.arange(5), torch.arange(5, 100), seed=4)
    first, again, other = capped(split, 10), capped(split, 10), capped(Split(**{**vars(split), "seed": 5}), 10)
    assert len(first.test) == 10
    assert torch.equal(first.test, again.test)
    assert not torch.equal(first.test, other.test)
    assert bool(torch.isin(first.test, split.test).all())
    assert torch.equal(capped(split, 1000).test, split.test)
