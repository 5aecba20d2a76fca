import pytest
import torch

from simclr.eval.metrics import structure as module
from simclr.eval.metrics.structure import structure
from simclr.eval.splits.split import k_shot


def data():
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(90) % 3
    return torch.randn(90, 4, generator=g) + 2 * torch.eye(4)[labels], labels


def test_one_measurement_of_each_kind_for_the_first_split_of_each_seed():
    features, labels = data()
    splits = [k_shot(labels, k, seed) for k in (2, 5) for seed in (0, 1)]
    found = structure(features, labels, splits)
    assert [(s.probe, s.split.seed, s.split.shots) for s in found] == [
        ("retrieval", 0, None),
        ("k-means", 0, None),
        ("retrieval", 1, None),
        ("k-means", 1, None),
    ]
    assert all(s.selected == {"samples": 84, "of": 84} for s in found)


def test_of_many_test_samples_some_are_drawn_and_the_others_change_nothing(monkeypatch):
    monkeypatch.setattr(module, "STRUCTURED", 20)
    features, labels = data()
    split = k_shot(labels, 5, 3)
    found = structure(features, labels, [split])
    assert found[0].selected == {"samples": 20, "of": 75}
    values = {k: v for s in found for k, v in s.metrics.items()}
    same = 0
    for i in split.test.tolist():
        broken = features.clone()
        broken[i] = 1e3 * torch.randn(4)
        same += values == {k: v for s in structure(broken, labels, [split]) for k, v in s.metrics.items()}
    assert same >= 55
    features[split.train] = 1e3
    assert values == {k: v for s in structure(features, labels, [split]) for k, v in s.metrics.items()}


@pytest.mark.parametrize("labels", [[0, 1, 2], [1, 1, 1]], ids=["no class twice", "one class"])
def test_where_there_is_nothing_to_say_nothing_is_said(labels):
    y = torch.tensor([0, 0, 1, 1, 2, 2, *labels])
    split = module.Split("given", torch.arange(6), torch.arange(6, 9))
    assert structure(torch.randn(9, 2), y, [split]) == []
