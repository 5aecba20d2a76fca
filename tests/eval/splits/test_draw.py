import numpy as np
import pytest
import torch
from torch import nn

from simclr.augment.addressed import permutation
from simclr.data import SceneSource, TensorSource
from simclr.errors import InputError
from simclr.eval.splits.block_split import block_split
from simclr.eval.splits.draw import SCENE_SHOTS, default_kinds, draw_splits
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.leakage import leakage
from simclr.eval.splits.split import hold_out, k_shot, stratified
from simclr.eval.splits.split_file import write_split
from simclr.eval.streams import Stream
from simclr.eval.subject.subject import excluded_ids

NONE = torch.empty(0, dtype=torch.int64)


def scene():
    truth = torch.from_numpy(np.kron(np.random.default_rng(3).integers(0, 4, (6, 6)), np.ones((6, 6))))
    return LabelledData(SceneSource(torch.rand(3, 36, 36), truth, patch_size=5))


def photos(n=60):
    return TensorSource(torch.zeros(n, 1, 2, 2, dtype=torch.uint8), torch.arange(n) % 3)


def same(split, expected):
    return split.train.equal(expected.train) and split.test.equal(expected.test)


def test_a_scene_is_drawn_at_random_and_by_blocks():
    data = scene()
    assert default_kinds(data.source, None) == ("random", "block")
    splits = draw_splits(data, ("random", "block"), seeds=(0, 7), exclude=NONE)
    expected = [(kind, k, seed) for kind in ("random", "block") for k in SCENE_SHOTS for seed in (0, 7)]
    assert [(s.name, s.shots, s.seed) for s in splits] == expected
    assert same(splits[3], k_shot(data.labels, 20, 7))
    assert same(splits[5], block_split(data.labels.view(36, 36), 7, 5, shots=5, most=20))
    assert splits[5].test.equal(splits[7].test)
    assert leakage(splits[7].train, splits[7].test, 36, 36, 5) == (0.0, 0.0)


def test_shares_of_the_labels():
    data = scene()
    splits = draw_splits(data, ("random", "block"), shares=(0.05, 0.1), seeds=(2,), exclude=NONE)
    assert [(s.name, s.shots, s.share) for s in splits] == [
        (kind, None, share) for kind in ("random", "block") for share in (0.05, 0.1)
    ]
    assert same(splits[1], stratified(data.labels, 0.1, 2))


def test_a_test_part_of_its_own_stays_as_it_is():
    data = LabelledData(photos(), photos(30))
    assert default_kinds(data.source, data.test_source) == ("random",)
    (whole,) = draw_splits(data, seeds=(0, 1), exclude=torch.tensor([4]))
    assert whole.train.tolist() == [i for i in range(60) if i != 4]
    few, tenth = draw_splits(data, shots=(3,), shares=(0.1,), seeds=(1,), exclude=NONE)
    assert few.train.equal(k_shot(data.labels[:60], 3, 1).train)
    assert tenth.train.equal(stratified(data.labels[:60], 0.1, 1).train)
    for split in (whole, few, tenth):
        assert split.test.tolist() == list(range(60, 90))


def test_a_file_is_used_as_it_is_or_drawn_from(tmp_path):
    data = LabelledData(photos())
    kept = hold_out(k_shot(data.labels, 10, 5), data.labels)
    write_split(tmp_path / "mine.json", kept, data.labels, data.class_names)
    path = str(tmp_path / "mine.json")
    (whole,) = draw_splits(data, (path,), seeds=(0, 1), exclude=NONE)
    assert same(whole, kept)
    assert (whole.name, whole.seed, whole.validation.tolist()) == ("mine", None, kept.validation.tolist())
    splits = draw_splits(data, (path,), shots=(2,), seeds=(0, 1), exclude=NONE)
    for split in splits:
        order = permutation(split.seed, Stream.SPLIT, 60).tolist()
        mine = [i for i in order if i in kept.train.tolist()]
        by_hand = [i for c in range(3) for i in [j for j in mine if data.labels[j] == c][:2]]
        assert split.train.tolist() == sorted(by_hand)
        assert split.test.equal(kept.test)
    gone = torch.cat([kept.train[:1], kept.test[:2]])
    (without,) = draw_splits(data, (path,), seeds=(0,), exclude=gone)
    assert without.dropped["excluded"] == 3
    assert not set(gone.tolist()) & {*without.train.tolist(), *without.test.tolist()}


def test_maps_of_both_parts(tmp_path):
    data = scene()
    train, test = (np.zeros((36, 36), dtype=np.uint8) for _ in range(2))
    train[:, :10], test[:, 20:] = 9, 7
    np.save(tmp_path / "tr.npy", train)
    np.save(tmp_path / "te.npy", test)
    (split,) = draw_splits(data, (f"{tmp_path / 'tr.npy'}+{tmp_path / 'te.npy'}",), seeds=(0,), exclude=NONE)
    columns = torch.arange(36 * 36) % 36
    assert split.train.tolist() == [i for i in range(36 * 36) if columns[i] < 10 and data.labels[i] >= 0]
    assert split.test.tolist() == [i for i in range(36 * 36) if columns[i] >= 20 and data.labels[i] >= 0]
    np.save(tmp_path / "te.npy", train)
    with pytest.raises(InputError, match="share 360 pixels"):
        draw_splits(data, (f"{tmp_path / 'tr.npy'}+{tmp_path / 'te.npy'}",), seeds=(0,), exclude=NONE)


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ((), "no split is given"),
        (("block",), "use --split random"),
        (("blocks",), "write random, block, a split file"),
        (("a.npy",), "label map of a scene"),
        (("a.json",), "cannot be read"),
    ],
)
def test_bad_words_are_one_line(kinds, message):
    with pytest.raises(InputError, match=message) as error:
        draw_splits(LabelledData(photos()), kinds, seeds=(0,), exclude=NONE)
    assert "\n" not in str(error.value)


def test_labels_that_were_seen_online_are_excluded_but_for_a_test_part_of_its_own():
    encoder = nn.Identity()
    encoder.metadata = {"monitor_ids": [5, 3]}
    assert excluded_ids(encoder, LabelledData(photos())).tolist() == [3, 5]
    assert excluded_ids(encoder, LabelledData(photos(), photos())).tolist() == []
    assert excluded_ids(encoder, LabelledData(photos()), [9]).tolist() == [9]
    encoder.metadata = {"monitor_ids": [60]}
    with pytest.raises(InputError, match="exclude nothing"):
        excluded_ids(encoder, LabelledData(photos()))
