"""Batches of P classes and K samples: a pure function of the step, shared out without gap or overlap."""

from collections import Counter

import pytest
import torch

from simclr.data.class_order import ClassOrder
from simclr.errors import InputError

LABELS = torch.randint(-1, 7, (200,), generator=torch.Generator().manual_seed(0)) * 3


def test_every_batch_has_p_classes_with_k_different_samples():
    order = ClassOrder(LABELS, 3, 4, seed=5)
    for step in range(40):
        ids = order.at(step)
        counts = Counter(LABELS[ids].tolist())
        assert len(counts) == 3
        assert set(counts.values()) == {4}
        assert min(counts) >= 0
        assert len(set(ids.tolist())) == 12
        assert order.occurrence(step).tolist() == [0] * 12


def test_classes_and_samples_are_shown_equally_often():
    order = ClassOrder(LABELS, 7, 4, seed=5)  # all classes in each batch
    shown = Counter(torch.cat([order.at(step) for step in range(420)]).tolist())
    for label in range(0, 21, 3):
        members = LABELS.eq(label).nonzero()[:, 0].tolist()
        expected = 420 * 4 / len(members)
        assert all(abs(shown[i] - expected) < 0.25 * expected for i in members)
    assert set(shown) == set((LABELS >= 0).nonzero()[:, 0].tolist())


def test_a_class_shows_other_samples_until_fewer_than_k_are_left():
    labels = torch.tensor([0] * 11 + [1] * 20)
    order = ClassOrder(labels, 2, 5, seed=1)
    first, second, third = (set(ids[labels[ids] == 0].tolist()) for ids in map(order.at, range(3)))
    assert not first & second
    assert third & (first | second)


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_slices_of_all_processes_are_the_global_batch(world_size):
    whole = ClassOrder(LABELS, 3, 4, seed=1)
    parts = [ClassOrder(LABELS, 3, 4, seed=1, rank=rank, world_size=world_size) for rank in range(world_size)]
    for step in (0, 5, 40):
        assert torch.equal(torch.cat([part.at(step) for part in parts]), whole.at(step))
        assert torch.equal(torch.cat([part.occurrence(step) for part in parts]), whole.occurrence(step))


def test_the_order_depends_on_seed_and_step_alone():
    walked = ClassOrder(LABELS, 3, 4, seed=7)
    forward = {step: walked.at(step).clone() for step in range(30)}
    torch.manual_seed(123)
    for step in (29, 3, 17, 0, 28):
        assert torch.equal(ClassOrder(LABELS, 3, 4, seed=7).at(step), forward[step])
        assert torch.equal(walked.at(step), forward[step])
    assert not torch.equal(ClassOrder(LABELS, 3, 4, seed=8).at(0), forward[0])


def test_samples_of_small_classes_are_repeated_and_that_is_said():
    labels = torch.tensor([0] * 6 + [1] * 2 + [2])
    order = ClassOrder(labels, 3, 5, seed=0)
    ids = order.at(3)
    assert Counter(ids.tolist())[8] == 5
    assert sorted(Counter(ids[labels[ids] == 1].tolist()).values()) == [2, 3]
    occurrence = order.occurrence(3)
    assert occurrence[ids == 8].tolist() == [0, 1, 2, 3, 4]
    assert occurrence[labels[ids] == 0].tolist() == [0] * 5
    assert order.repeated == {1: 2, 2: 1}
    assert order.note == "2 classes have fewer than 5 samples, which are repeated in a batch: 1 (2), 2 (1)"
    assert ClassOrder(labels[:8], 2, 3, seed=0).note == (
        "1 class has fewer than 3 samples, which are repeated in a batch: 1 (2)"
    )
    assert ClassOrder(labels, 2, 2, seed=0, ids=torch.arange(8)).note is None
    many = ClassOrder(torch.arange(8).repeat(2), 2, 3, seed=0).note
    assert many.startswith("8 classes have fewer than 3 samples")
    assert many.endswith("4 (2) and 3 more")


def test_only_the_given_ids_are_taken():
    ids = torch.arange(50, 150)
    order = ClassOrder(LABELS, 3, 4, seed=5, ids=ids)
    shown = torch.cat([order.at(step) for step in range(50)])
    assert set(shown.tolist()) <= set(ids.tolist())
    assert order.steps_per_epoch == int((LABELS[ids] >= 0).sum()) // 12
    assert [order.epoch(step) for step in (0, order.steps_per_epoch)] == [0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 4), "classes_per_batch is 1: set it to 2 or more, so that a batch has positives and negatives."),
        ((3, 1), "samples_per_class is 1: set it to 2 or more, so that a batch has positives and negatives."),
        ((9, 4), "classes_per_batch is 9, but the labels have 7 classes: set it to 7 or less."),
        (
            (3, 3, 0, 0, 2),
            "a batch of 3 classes with 3 samples cannot be shared evenly by 2 processes: "
            "set one of the two to a multiple of 2.",
        ),
    ],
)
def test_mistakes_are_named(arguments, message):
    classes, samples, *more = arguments
    with pytest.raises(InputError) as caught:
        ClassOrder(LABELS, classes, samples, *(more or [0]))
    assert str(caught.value) == message


def test_one_class_and_a_rank_beyond_are_named():
    with pytest.raises(InputError, match="the labels have 1 class: there is nothing to tell apart"):
        ClassOrder(torch.zeros(9, dtype=torch.int64), 2, 2, seed=0)
    with pytest.raises(ValueError, match="rank is 2, but world_size is 2"):
        ClassOrder(LABELS, 2, 2, seed=0, rank=2, world_size=2)
