import pytest
import torch

from eval.probes import end_to_end as fine_tuned
from eval.probes.end_to_end import supervised_scores
from eval.splits.labelled import LabelledData
from eval.splits.split import given, k_shot
from simclr.data import TensorSource
from simclr.data.preprocess import fit_preprocess
from simclr.encoder_file import FrozenEncoder
from simclr.models.encoder import random_encoder


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch):
    monkeypatch.setattr(fine_tuned, "STEPS", 50)


def source(n, seed):
    """Two classes that differ in the red channel."""
    labels = torch.arange(n) % 2
    images = torch.randint(0, 120, (n, 3, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    images[labels == 1, 0] += 130
    return TensorSource(images, labels)


def frozen(data, seed):
    options = {"name": "resnet8", "in_chans": 3, "width": 4, "stem": "small"}
    network = random_encoder(seed, **options)
    return FrozenEncoder(network, fit_preprocess(data), {"encoder": options, "feature_dim": network.feature_dim})


def test_it_learns_from_the_labels_alone_and_not_from_the_pretrained_weights():
    train, test = source(40, 0), source(30, 1)
    data = LabelledData(train, test)
    split = given(range(40), range(40, 70))
    found = supervised_scores(frozen(train, 0), data, [split], seeds=(0, 1))
    assert [seed for seed, _ in found] == [0, 1]
    assert all(score.metrics["oa"] > 0.9 for _, score in found)
    (again,) = supervised_scores(frozen(train, 77), data, [split], seeds=(1,))
    assert again[1].metrics == found[1][1].metrics


def test_test_labels_change_the_score_but_nothing_else():
    train = source(40, 0)
    split = k_shot(train.labels, 8, 3)
    ((seed, score),) = supervised_scores(frozen(train, 0), LabelledData(train), [split], seeds=(0, 1))
    flipped = TensorSource(train.images, train.labels.clone())
    flipped.labels[split.test] = 1 - flipped.labels[split.test]
    ((_, other),) = supervised_scores(frozen(train, 0), LabelledData(flipped), [split], seeds=(0, 1))
    assert seed == 3
    assert other.metrics["oa"] == pytest.approx(1 - score.metrics["oa"])
    assert other.selected == score.selected
