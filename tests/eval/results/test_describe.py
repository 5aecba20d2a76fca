import hashlib
import json

import numpy as np
import torch

from simclr.data import SceneSource, TensorSource
from simclr.eval.results.describe import describe_split, fewer_shots
from simclr.eval.results.record import FewerShots
from simclr.eval.results.result_file import as_json
from simclr.eval.splits.block_split import block_split
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.split import hold_out, k_shot


def test_a_split_of_photographs_is_counted_and_hashed():
    data = LabelledData(TensorSource(torch.zeros(60, 1, 2, 2, dtype=torch.uint8), torch.arange(60) % 3))
    split = hold_out(k_shot(data.labels, 5, 3), data.labels)
    described = json.loads(json.dumps(as_json(describe_split(split, data))))
    assert (described["split"], described["shots"], described["labels"], described["seed"]) == ("random", 5, None, 3)
    assert described["train_per_class"] == [4, 4, 4]
    assert described["test_per_class"] == [15, 15, 15]
    assert (described["train"], described["validation"], described["test"]) == (12, 3, 45)
    ids = np.array(sorted(split.test.tolist()), dtype="<i8")
    assert described["sha256_test"] == hashlib.sha256(ids.tobytes()).hexdigest()
    assert "leakage" not in described


def test_the_leakage_of_a_scene_is_that_of_pairs_of_pixels():
    truth = torch.from_numpy(np.kron(np.random.default_rng(3).integers(0, 4, (5, 5)), np.ones((5, 5))))
    data = LabelledData(SceneSource(torch.rand(3, 25, 25), truth, patch_size=5))
    for split in (k_shot(data.labels, 3, 0), block_split(data.labels.view(25, 25), 0, 5, shots=3)):
        apart = [
            min(max(abs(t // 25 - p // 25), abs(t % 25 - p % 25)) for t in split.train.tolist())
            for p in split.test.tolist()
        ]
        found = describe_split(split, data).leakage
        assert found.patch_size == 5
        assert found.inside == np.float32(np.mean([d <= 2 for d in apart]))
        assert found.touching == np.float32(np.mean([d <= 4 for d in apart]))


def test_classes_that_give_fewer_are_named_with_what_they_give():
    labels = torch.repeat_interleave(torch.arange(3), torch.tensor([4, 11, 30]))
    data = LabelledData(TensorSource(torch.zeros(45, 1, 1, 1), labels, class_names=["a", "b", "c"]))
    splits = [k_shot(data.labels, k, seed) for k in (2, 5, 8) for seed in (0, 1)]
    assert fewer_shots(splits, data) == [
        FewerShots(split="random", shots=5, classes={"a": (2, 2)}),
        FewerShots(split="random", shots=8, classes={"a": (2, 2), "b": (5, 5)}),
    ]
