import pytest
import torch

from simclr.data.scenes.scene import SceneSource
from simclr.data.source import TensorSource
from simclr.errors import InputError
from simclr.eval.open_set.evaluate import open_set
from simclr.eval.open_set.metrics import UNKNOWN, auroc, open_scores
from simclr.eval.open_set.scores import OPEN_SCORES
from simclr.eval.results.rows import open_rows
from simclr.eval.splits.apart import Apart
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.open_split import class_ids, drawn_unknown, open_splits


def samples(seed=0, classes=6, per_class=30):
    g = torch.Generator().manual_seed(seed)
    labels = torch.arange(classes * per_class + 10) % classes
    labels[-10:] = -1
    centres = torch.randn(classes, 10, generator=g) * 4
    return centres[labels] + torch.randn(len(labels), 10, generator=g), labels


def unknown_split(x, labels, shots, seed, unknown):
    """A random split with unknown classes in its test part."""
    data = LabelledData(TensorSource(x[:, :, None, None], labels))
    return open_splits(data, ("random",), unknown, (shots,), (), (seed,), torch.empty(0, dtype=torch.int64))[0]


def test_classes_by_name_and_number():
    truth = torch.tensor([[0, 3], [5, 17]])
    scene = SceneSource(torch.rand(4, 2, 2), truth, patch_size=1, class_names=["corn", "oats", "road"])
    assert class_ids(["17", " Corn"], scene) == [0, 2]
    images = TensorSource(torch.rand(4, 1, 2, 2), torch.tensor([0, 1, 2, 1]))
    assert class_ids(["2"], images) == [2]
    for words in (["18"], ["water"], ["0"]):
        with pytest.raises(InputError, match="no class of scene"):
            class_ids(words, scene)


def test_drawn_classes_differ_by_seed_and_leave_two():
    labels = torch.arange(40) % 8
    draws = [drawn_unknown(labels, 3, seed) for seed in range(20)]
    assert all(len(set(d)) == 3 for d in draws)
    assert len({tuple(d) for d in draws}) > 10
    assert draws[4] == drawn_unknown(labels, 3, 4)
    for count in (0, 7, 8):
        with pytest.raises(InputError, match="should be unknown"):
            drawn_unknown(labels, count, 0)


def test_numbers_are_those_of_the_parts_put_together_by_hand():
    x, labels = samples()
    pair = unknown_split(x, labels, 6, 0, [5])
    found, split = open_set(x, labels, pair), pair.open
    classes, values = OPEN_SCORES["knn"](x[split.train], labels[split.train], x[split.test])
    truth = labels[split.test]
    ranks = next(e for e in found if e.probe == "knn" and e.threshold is None)
    assert ranks.metrics["auroc"] == auroc(values["knn"], truth == 5)
    assert ranks.metrics["openness"] == pytest.approx(1 - (10 / 11) ** 0.5)
    decided = next(e for e in found if e.probe == "knn" and e.threshold == "quantile")
    cut = decided.selected["value"]
    predicted = torch.where(values["knn"] > cut, UNKNOWN, classes)
    assert decided.metrics == open_scores(torch.where(truth == 5, UNKNOWN, truth), predicted)


def test_thresholds_know_nothing_of_the_test():
    x, labels = samples()
    pair = unknown_split(x, labels, 6, 0, [5])
    other, shuffled, test = x.clone(), labels.clone(), pair.open.test
    other[test] += 100
    shuffled[test] = shuffled[test.flip(0)]

    def values(features, classes):
        entries = open_set(features, classes, pair)
        return [[e.selected.get("value") for e in entries if (e.threshold == "gap") is gap] for gap in (False, True)]

    (held_out, gap), (others, _), (_, unlabelled) = values(x, labels), values(other, labels), values(x, shuffled)
    assert held_out == others
    # Those from test samples know nothing of their labels.
    assert gap == unlabelled


def test_rows_over_seeds_also_where_a_metric_has_no_value():
    x, labels = samples()
    pairs = [unknown_split(x, labels, 6, seed, [seed]) for seed in (0, 1)]
    runs = [("pretrained", pair.open, open_set(x, labels, pair)) for pair in pairs]
    closed = unknown_split(x, labels, 6, 0, [])
    rows = open_rows([*runs, ("raw", closed.open, open_set(x, labels, closed))])
    row = next(r for r in rows if r.probe == "energy" and r.metric == "auroc" and r.representation == "raw")
    assert (row.mean, row.per_seed) == (None, (None,))
    row = next(r for r in rows if r.probe == "energy" and r.metric == "auroc")
    assert row.mean == pytest.approx(sum(row.per_seed) / 2)
    assert len({(r.representation, r.probe, r.threshold, r.metric) for r in rows}) == len(rows)


def test_conformal_decisions_are_asked_for_and_promise_something():
    x, labels = samples()
    pair = unknown_split(x, labels, 6, 0, [5])
    assert "conformal" not in {e.threshold for e in open_set(x, labels, pair)}
    found = {e.probe: e for e in open_set(x, labels, pair, conformal=True) if e.threshold == "conformal"}
    assert set(found) == {"prototype", "mahalanobis", "knn", "max softmax", "energy"}
    assert found["knn"].metrics["unknown_recall"] > 0.9
    assert found["knn"].metrics["known_accepted"] > 0.85
    assert found["knn"].selected["promised"].startswith("at most 3")
    # Areas of which there are two: nothing can be promised, and nothing is rejected.
    few = Apart(torch.arange(len(pair.open.train)) % 2, "area", False, "they lie apart")
    for entry in open_set(x, labels, pair._replace(apart=few), conformal=True):
        if entry.threshold == "conformal":
            assert (entry.metrics["known_accepted"], entry.metrics["unknown_recall"]) == (1.0, 0.0)
            assert "takes 19" in entry.selected["promised"]


def test_a_score_that_cannot_be_calibrated_rejects_nothing_and_says_why():
    x, labels = samples(classes=3)
    pair = unknown_split(x, labels, 6, 0, [2])
    train = labels[pair.open.learned()]
    alone = pair._replace(apart=Apart(train, "area", False, "one area a class"))
    found = {(e.probe, e.threshold): e for e in open_set(x, labels, alone)}
    for probe in ("energy", "max softmax"):
        entry = found[probe, "quantile"]
        assert (entry.metrics["known_accepted"], entry.selected["value"]) == (1.0, None)
        assert "nothing is rejected" in entry.selected["why"]
    entry = found["mahalanobis", "quantile"].selected
    assert isinstance(entry["value"], float)
    assert (entry["left_out"], entry["units"], entry["alone"]) == ("area", 2, 2)
