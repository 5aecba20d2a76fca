import pytest
import torch

from simclr.data.class_order import ClassOrder
from simclr.data.order import SampleOrder
from simclr.errors import InputError
from simclr.recipe.tuning import TuningTrain
from simclr.train.course import set_tuning_course

TARGETS = torch.tensor([0, 1, 2, -1] * 10 + [3, 3])


def course(wants_pairs=True, rank=0, world_size=1, **train):
    return set_tuning_course(TuningTrain(**train), TARGETS, wants_pairs, 0, rank, world_size)


def test_an_objective_of_pairs_gets_classes_and_others_get_samples():
    pairs, single = course(batch_size=12), course(wants_pairs=False, batch_size=12)
    assert isinstance(pairs.order, ClassOrder)
    assert (pairs.order.classes_per_batch, pairs.order.samples_per_class) == (3, 4)
    assert pairs.describe() == "batches of 3 classes with 4 samples"
    assert isinstance(single.order, SampleOrder)
    assert sorted(TARGETS[single.order.at(0)].unique().tolist()) == [0, 1, 2, 3] or single.order.batch_size == 12
    assert bool((TARGETS[single.order.at(1)] >= 0).all())
    assert isinstance(course(wants_pairs=False, classes=2).order, ClassOrder)


def test_a_batch_is_never_more_than_there_is():
    assert course().order.batch_size == 4 * 4  # of 4 classes, though 16 would go into 64
    whole = course(wants_pairs=False)
    assert whole.order.batch_size == 32
    assert course(wants_pairs=False, world_size=5).order.batch_size == 30


def test_steps_and_rate_follow_the_batches():
    long = course(batch_size=12, epochs=5, warmup_epochs=1, lr=0.1, lr_scaling="linear")
    assert (long.total_steps, long.warmup_steps) == (5 * (32 // 12), 2)
    assert long.peak_lr == pytest.approx(0.1 * 12 / 256)
    assert course(max_steps=3).total_steps == 3


def test_repeated_samples_have_an_address_of_their_own():
    repeating = course(classes=4, per_class=4)
    ids = repeating.order.at(0)
    address = repeating.address(ids, 0, len(TARGETS))
    assert len(address.unique()) == 16 > len(ids.unique()) == 14
    assert torch.equal(address % len(TARGETS), ids)
    assert repeating.notes == ["1 class has fewer than 4 samples, which are repeated in a batch: 3 (2)"]
    plain = course(classes=3, per_class=2)
    assert torch.equal(plain.address(plain.order.at(0), 0, len(TARGETS)), plain.order.at(0))


def test_too_few_classes_and_uneven_shares_name_the_keys_of_the_recipe():
    with pytest.raises(InputError, match=r"train\.classes is 5, but the labels have 4 classes"):
        course(classes=5)
    with pytest.raises(InputError, match="3 classes with 3 samples cannot be shared evenly by 2 processes"):
        course(classes=3, per_class=3, world_size=2)


def test_spans_cover_the_run_from_where_it_stands_and_break_at_epochs():
    course = set_tuning_course(TuningTrain(batch_size=4, epochs=3), torch.arange(10) // 5, False, 0, 0, 1)
    assert (course.total_steps, course.order.steps_per_epoch) == (6, 2)
    assert course.spans(0, False) == [(0, 6)]
    assert course.spans(0, True) == [(0, 2), (2, 4), (4, 6)]
    assert course.spans(3, True) == [(3, 4), (4, 6)]
    assert course.spans(6, True) == []
