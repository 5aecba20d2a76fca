import numpy as np
import pytest
import torch

from simclr.data import SceneSource, TensorSource
from simclr.errors import InputError
from simclr.eval.splits.block_split import block_split
from simclr.eval.splits.draw import draw_splits
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.open_split import SHOTS, class_ids, drawn_unknown, few_shot_splits, open_splits
from simclr.eval.splits.split import given, k_shot
from simclr.eval.splits.split_file import write_split

NONE = torch.empty(0, dtype=torch.int64)


def photos(n=60, classes=6):
    labels = torch.arange(n) % classes
    labels[-4:] = -1
    return TensorSource(torch.zeros(n, 1, 2, 2, dtype=torch.uint8), labels)


def scene():
    truth = torch.from_numpy(np.kron(np.random.default_rng(3).integers(0, 5, (8, 8)), np.ones((6, 6))))
    return LabelledData(SceneSource(torch.rand(3, 48, 48), truth, patch_size=5))


def ids(tensor):
    return set(tensor.tolist())


def test_a_random_split_trains_on_known_classes_and_tests_on_everything_else():
    data = LabelledData(photos())
    labels, excluded = data.labels, torch.tensor([0, 7, 40])
    (pair,) = open_splits(data, ("random",), [1, 4], (3,), (), (2,), excluded)
    assert labels[pair.open.train].bincount(minlength=6).tolist() == [3, 0, 3, 3, 0, 3]
    rest = ids(data.known()) - ids(pair.open.train) - ids(excluded)
    assert ids(pair.open.test) == rest
    assert ids(pair.closed.test) == {i for i in rest if labels[i] not in (1, 4)}
    assert (pair.closed.name, pair.closed.left_out, pair.unknown) == ("random", (), (1, 4))
    # The known classes' samples are those that are drawn without any unknown class.
    everything = k_shot(labels, 3, 2, excluded)
    assert ids(pair.closed.train) == {i for i in ids(everything.train) if labels[i] not in (1, 4)}
    (same,) = open_splits(data, ("random",), [], (3,), (), (2,), excluded)
    assert same.open.test.equal(same.closed.test)
    assert same.closed.train.equal(everything.train)


def test_a_class_of_a_single_sample_can_be_unknown():
    labels = torch.tensor([0, 1] * 10 + [2])
    data = LabelledData(TensorSource(torch.zeros(21, 1, 2, 2, dtype=torch.uint8), labels))
    (pair,) = open_splits(data, ("random",), [2], (3,), (), (0,), NONE)
    assert 20 in ids(pair.open.test) - ids(pair.closed.test)
    assert pair.closed.left_out == ()


def test_of_a_test_part_only_its_own_samples_are_scored_on():
    data = LabelledData(photos(36), photos(30))
    (pair,) = open_splits(data, ("random",), [2], (3,), (), (0,), NONE)
    assert int(pair.open.train.max()) < 36
    assert ids(pair.open.test) == {i for i in range(36, 66) if data.labels[i] >= 0}


def test_no_unknown_pixel_of_a_block_split_is_seen_through_a_training_patch():
    data = scene()
    unknown = [1]
    (pair,) = open_splits(data, ("block",), unknown, (4,), (), (3,), NONE)
    (closed,) = draw_splits(data, ("block",), shots=(4,), seeds=(3,), exclude=torch.nonzero(data.labels == 1).flatten())
    assert pair.closed.train.equal(closed.train)
    assert pair.closed.test.equal(closed.test)
    train = [divmod(i, 48) for i in pair.open.train.tolist()]
    apart = {
        i
        for i in torch.nonzero(data.labels == 1).flatten().tolist()
        if min(max(abs(i // 48 - r), abs(i % 48 - c)) for r, c in train) > 4
    }
    assert ids(pair.open.test) - ids(pair.closed.test) == apart
    assert 0 < len(apart) < int((data.labels == 1).sum())
    assert not pair.closed.train.equal(block_split(data.labels.view(48, 48), 3, 5, shots=4).train)


def test_a_file_says_itself_which_unknown_samples_it_tests(tmp_path):
    data = LabelledData(photos())
    kept = given([0, 1, 2, 3, 6, 7, 8, 9], [12, 13, 14, 15, 20, 21])
    write_split(tmp_path / "mine.json", kept, data.labels, data.class_names)
    options = {"shares": (), "seeds": (0, 1), "exclude": torch.tensor([21])}
    (pair,) = open_splits(data, (str(tmp_path / "mine.json"),), [2], (1,), files_whole=True, **options)
    assert ids(pair.open.train) == {0, 1, 3, 6, 7, 9}  # 2 and 8 are of class 2
    assert ids(pair.open.test) == {12, 13, 14, 15, 20}
    assert ids(pair.closed.test) == {12, 13, 15}
    assert pair.open.seed is None
    closed, opened = few_shot_splits(
        data, (str(tmp_path / "mine.json"),), seeds=(0, 1), exclude=NONE, unknown_classes=2
    )
    assert len(closed) == 1
    assert [p.open.seed for p in opened] == [0, 1]
    assert [p.unknown for p in opened] == [tuple(drawn_unknown(data.labels, 2, seed)) for seed in (0, 1)]


def test_all_splits_of_an_evaluation():
    data = LabelledData(photos())
    closed, opened = few_shot_splits(data, ("random",), seeds=(0, 1), exclude=NONE, unknown=[3])
    assert [(s.shots, s.seed) for s in closed] == [(k, seed) for k in SHOTS for seed in (0, 1)]
    # One sample a class cannot be left out for a threshold.
    assert [(p.open.shots, p.open.seed) for p in opened] == [(k, seed) for k in SHOTS[1:] for seed in (0, 1)]
    assert 3 not in data.labels[torch.cat([*(s.train for s in closed), *(s.test for s in closed)])]
    closed, opened = few_shot_splits(data, ("random",), shots=(2,), seeds=(0,), exclude=NONE, unknown_classes=3)
    assert set(data.labels[closed[0].train].tolist()) == set(range(6))
    assert len(opened[0].unknown) == 3
    assert few_shot_splits(data, ("random",), shots=(2,), seeds=(0,), exclude=NONE)[1] == []


def test_two_classes_must_stay_known(tmp_path):
    data = LabelledData(photos())
    for unknown in (range(5), range(6)):
        with pytest.raises(InputError, match="fewer than 2 classes stay known"):
            open_splits(data, ("random",), unknown, (3,), (), (0,), NONE)
    write_split(tmp_path / "two.json", given([0, 1, 6, 7], [12, 13]), data.labels, data.class_names)
    with pytest.raises(InputError, match="fewer than 2 known classes train in the two split"):
        open_splits(data, (str(tmp_path / "two.json"),), [1], (3,), (), (0,), NONE, True)


def test_as_many_unknown_classes_as_are_advised_can_be_drawn():
    for count in (0, 3):
        with pytest.raises(InputError, match="leave at least 2 known and 1 unknown one"):
            drawn_unknown(torch.tensor([0, 1, 2, 3]), count, 0)
    assert len(drawn_unknown(torch.tensor([0, 1, 2]), 1, 0)) == 1
    with pytest.raises(InputError, match=r"1 of 2 classes should be unknown: that takes 3 classes or more\.$"):
        drawn_unknown(torch.tensor([0, 1, -1]), 1, 0)


def test_classes_are_meant_by_their_own_numbers():
    numbered = TensorSource(torch.zeros(4, 1, 2, 2), torch.tensor([5, 9, 20240101, 9]))
    assert class_ids([9, "20240101"], numbered) == [1, 2]
    with pytest.raises(InputError, match=r"'1' is no class of tensor: give names or numbers of 5, 9, 20240101"):
        class_ids([1], numbered)
    named = TensorSource(torch.zeros(2, 1, 2, 2), torch.tensor([0, 1]), class_names=["oats", "corn"])
    assert class_ids([1, "Oats"], named) == [0, 1]
