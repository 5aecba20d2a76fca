import math

import pytest
import torch

from simclr.eval.probes.knn import knn_accuracy
from simclr.eval.probes.monitor import MONITORED, held_out_monitor, knn_monitor, monitor_ids


def test_a_tenth_of_each_class_but_of_none_that_is_too_small():
    labels = torch.tensor([0] * 200 + [1] * 20 + [2] * 4 + [3] * 3 + [-1] * 50)
    ids = monitor_ids(labels)
    assert labels[ids].bincount(minlength=4).tolist() == [20, 2, 2, 0]
    assert torch.equal(ids, ids.sort().values)
    assert torch.equal(ids, monitor_ids(labels))


def test_large_data_give_a_bounded_number():
    assert len(monitor_ids(torch.arange(100_000) % 10)) == pytest.approx(MONITORED, abs=10)


def test_without_labels_there_is_nothing_to_look_at():
    assert len(monitor_ids(torch.full((10,), -1))) == 0


def test_centring_lets_neighbours_count_behind_a_relu():
    # All rows point one way but for a small part that tells the classes apart: without centring the majority wins.
    g = torch.Generator().manual_seed(0)
    labels = torch.tensor([0] * 60 + [1] * 6)
    h = torch.randn(66, 8, generator=g) * 0.1 + torch.nn.functional.one_hot(labels, 8) * 0.8 + 20.0
    assert knn_monitor(h, labels) > 0.95
    assert knn_accuracy(h, labels) == pytest.approx(60 / 66)
    assert knn_monitor(h, labels) == knn_accuracy(h - h.mean(0), labels)


def test_held_out_samples_are_judged_by_those_that_were_learned():
    g = torch.Generator().manual_seed(1)
    learned, held_out = torch.randn(60, 5, generator=g) + 3, torch.randn(30, 5, generator=g) + 3
    classes, truth = torch.arange(60) % 3 + 4, torch.arange(30) % 3 + 4
    nearest = [min(range(60), key=lambda i: (learned[i] - row).square().sum().item()) for row in held_out]
    centred = [(x - learned.mean(0)) / (x - learned.mean(0)).norm(dim=1, keepdim=True) for x in (held_out, learned)]
    voted = []
    for row in centred[0] @ centred[1].T:
        votes = {4: 0.0, 5: 0.0, 6: 0.0}
        for i in row.argsort(descending=True)[:20].tolist():
            votes[int(classes[i])] += math.exp(row[i].item() / 0.07)
        voted.append(max(votes, key=lambda c: votes[c]))
    assert held_out_monitor(learned, classes, held_out, truth) == {
        "knn": pytest.approx(sum(c == int(t) for c, t in zip(voted, truth)) / 30),
        "recall_at_1": pytest.approx(sum(classes[i] == t for i, t in zip(nearest, truth)).item() / 30),
    }
