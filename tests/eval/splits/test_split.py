import hashlib
import struct

import pytest
import torch
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st

from simclr.augment.addressed import permutation
from simclr.errors import InputError
from simclr.eval.splits.split import Split, given, hold_out, k_shot, stratified
from simclr.eval.streams import Stream


def labels_of(*sizes, unlabelled=0):
    order = torch.randperm(sum(sizes) + unlabelled, generator=torch.Generator().manual_seed(0))
    return torch.tensor([c for c, n in enumerate(sizes) for _ in range(n)] + [-1] * unlabelled)[order]


def by_hand(labels, shots, seed, exclude):
    """The documented rule, one sample at a time."""
    usable = [i for i in range(len(labels)) if labels[i] >= 0 and i not in exclude]
    counts = {c: sum(int(labels[i]) == c for i in usable) for c in range(int(labels.max()) + 1)}
    train, test, taken = [], [], dict.fromkeys(counts, 0)
    for i in permutation(seed, Stream.SPLIT, len(labels)).tolist():
        c = int(labels[i])
        if i not in usable or counts[c] < 2:
            continue
        if taken[c] < min(shots, counts[c] // 2):
            train.append(i)
            taken[c] += 1
        else:
            test.append(i)
    return sorted(train), sorted(test)


@pytest.mark.parametrize("seed", [0, 3])
def test_k_shot_follows_its_rule(seed):
    labels = labels_of(30, 12, 5, 1, unlabelled=20)
    exclude = torch.nonzero(labels == 1).flatten()[:4].tolist()
    split = k_shot(labels, 5, seed, exclude)
    assert (split.train.tolist(), split.test.tolist()) == by_hand(labels, 5, seed, exclude)
    assert labels[split.train].bincount(minlength=4).tolist() == [5, 4, 2, 0]
    assert split.left_out == (3,)


@settings(max_examples=40, deadline=None)
@hypothesis_given(
    sizes=st.lists(st.integers(0, 30), min_size=2, max_size=6).filter(lambda s: sum(n >= 2 for n in s) >= 2),
    shots=st.integers(1, 25),
    seed=st.integers(0, 10**6),
)
def test_every_usable_sample_is_in_exactly_one_part(sizes, shots, seed):
    labels = labels_of(*sizes, unlabelled=3)
    for split in (k_shot(labels, shots, seed), stratified(labels, 0.5, seed)):
        both = torch.cat([split.train, split.test])
        usable = [i for i, c in enumerate(labels.tolist()) if c >= 0 and sizes[c] >= 2]
        assert sorted(both.tolist()) == usable


def test_fewer_shots_are_a_subset_and_seeds_differ():
    labels = labels_of(60, 60)
    few, more, other = k_shot(labels, 5, 0), k_shot(labels, 20, 0), k_shot(labels, 5, 1)
    assert set(few.train.tolist()) < set(more.train.tolist())
    assert few.train.tolist() != other.train.tolist()


def test_stratified_halves_every_class():
    split = stratified(labels_of(40, 11, 2), 0.5, 0)
    assert labels_of(40, 11, 2)[split.train].bincount().tolist() == [20, round(5.5), 1]


def test_one_and_ten_percent_lists_hold_every_class_and_each_other():
    labels = labels_of(1000, 400, 30, 2)
    one, ten = (stratified(labels, share, 4) for share in (0.01, 0.1))
    assert labels[one.train].bincount().tolist() == [10, 4, 1, 1]
    assert labels[ten.train].bincount().tolist() == [100, 40, 3, 1]
    assert set(one.train.tolist()) < set(ten.train.tolist())
    assert (one.share, ten.share) == (0.01, 0.1)


@settings(max_examples=30, deadline=None)
@hypothesis_given(
    sizes=st.lists(st.integers(2, 40), min_size=2, max_size=5),
    shots=st.integers(1, 20),
    share=st.floats(0.05, 0.9),
)
def test_the_validation_part_is_a_share_of_every_class_of_the_training_part(sizes, shots, share):
    labels = labels_of(*sizes)
    whole = k_shot(labels, shots, 3)
    per_class = [min(shots, n // 2) for n in sizes]
    if max(per_class) < 4:
        with pytest.raises(InputError, match="no class of the random split has the 4 training samples"):
            hold_out(whole, labels, share)
        return
    split = hold_out(whole, labels, share)
    train, held, test = (set(ids.tolist()) for ids in (split.train, split.validation, split.test))
    assert train | held == set(whole.train.tolist()) == set(split.learned().tolist())
    assert not train & held
    assert test == set(whole.test.tolist())
    for c, n in enumerate(per_class):
        k = sum(int(labels[i]) == c for i in held)
        assert k == (0 if n < 4 else min(max(round(share * n), 1), n - 1))
    rows = split.validation_rows()
    assert rows is not None
    assert split.learned()[rows].equal(split.validation)
    assert whole.validation_rows() is None
    with pytest.raises(InputError, match="validation part of its own"):
        hold_out(split, labels, share)


def test_the_digest_is_sha256_of_little_endian_int64():
    split = given([4, 2], [9, 1])
    assert split.digest()["train"] == hashlib.sha256(struct.pack("<2q", 2, 4)).hexdigest()
    assert split.digest()["test"] == hashlib.sha256(struct.pack("<2q", 1, 9)).hexdigest()


def test_a_leak_is_caught():
    with pytest.raises(InputError, match="share 1 samples, first id 3"):
        Split("random", torch.tensor([1, 3]), torch.tensor([2, 3]))
    with pytest.raises(InputError, match="more than once"):
        given([1, 1], [2])
    with pytest.raises(InputError, match="empty"):
        given([1], [])


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (torch.full((9,), -1), {}, "no labelled sample"),
        (labels_of(9), {}, "2 classes or more"),
        (labels_of(9, 1), {}, "2 classes or more"),
        (labels_of(9, 9), {"shots": 0}, "shots is 0"),
        (labels_of(9, 9), {"exclude": [18]}, "belong to other data"),
    ],
    ids=["unlabelled", "one class", "one class of two samples", "no shots", "foreign ids"],
)
def test_bad_input_is_one_line(labels, options, message):
    with pytest.raises(InputError, match=message) as error:
        k_shot(labels, **{"shots": 5, "seed": 0, **options})
    assert "\n" not in str(error.value)
