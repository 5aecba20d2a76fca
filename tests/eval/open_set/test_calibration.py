import pytest
import torch

from simclr.errors import InputError
from simclr.eval.open_set.calibration import alone_groups, calibrate, held_out_scores
from simclr.eval.open_set.scores import OPEN_SCORES
from simclr.eval.splits.apart import SINGLE, Apart
from tests.eval.open_set.test_scores import clusters


def areas(groups):
    return Apart(torch.tensor(groups), "area", False, "areas lie apart")


def test_a_held_out_sample_is_never_in_the_model_that_scores_it():
    x, y = clusters(per_class=7, classes=2)
    y = torch.where(torch.arange(len(y)) == 0, 9, y)  # a class of one sample
    seen = []

    def spy(train_x, train_y, test_x):
        assert not {tuple(r) for r in train_x.tolist()} & {tuple(r) for r in test_x.tolist()}
        assert 9 in train_y
        assert set(train_y.tolist()) == set(y.tolist())
        seen.append(len(test_x))
        return torch.zeros(len(test_x)), {"first": test_x[:, 0].double()}

    for folds, rounds in ((None, 7), (3, 3), (100, 7)):
        seen.clear()
        scores = held_out_scores(spy, x, y, folds)["first"]
        assert len(seen) == rounds
        assert sorted(scores.tolist()) == sorted(x[1:, 0].double().tolist())
    with pytest.raises(InputError, match="2 shots or more"):
        held_out_scores(spy, x[:3], torch.tensor([0, 1, 2]), None)


def test_single_samples_are_left_out_where_nothing_is_held_apart():
    x, y = clusters(classes=2)
    found = calibrate(OPEN_SCORES["prototype"], x, y, SINGLE, None)
    expected = held_out_scores(OPEN_SCORES["prototype"], x, y, None)["prototype"]
    assert torch.equal(found.scores["prototype"], expected)
    assert (found.unit, found.units, found.alone, found.alike) == ("sample", 36, 0, True)


def test_groups_are_left_out_whole_and_those_that_are_all_of_a_class_are_counted():
    x = torch.arange(12.0)[:, None].expand(12, 3)
    y = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
    groups = [0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 2]
    seen = []

    def spy(train_x, train_y, test_x):
        seen.append((train_x[:, 0].long().tolist(), test_x[:, 0].long().tolist()))
        return torch.zeros(len(test_x)), {"first": test_x[:, 0].double()}

    found = calibrate(spy, x, y, areas(groups), None)
    for fit, left in seen:
        assert not {groups[i] for i in fit} & {groups[i] for i in left}
    assert len(seen) == 4
    assert sorted(found.scores["first"].tolist()) == list(range(12))
    # Class 1 is all in group 2; classes 0 and 2 are in two groups each.
    assert (found.unit, found.units, found.alone) == ("area", 4, 1)
    assert alone_groups(torch.tensor(groups), y) == 1
    seen.clear()
    calibrate(spy, x, y, areas(groups), 2)
    assert len(seen) == 2


def test_what_leaves_too_few_classes_is_not_left_out():
    x, y = clusters(classes=1)  # with the one nowhere near: two classes
    assert calibrate(OPEN_SCORES["logits"], x, y, areas(y.tolist()), 5, 2).scores == {}
    assert len(calibrate(OPEN_SCORES["prototype"], x, y, areas(y.tolist()), None).scores["prototype"]) == len(y)
    # Class 0 in two areas: its samples can be left out, those of class 1 cannot.
    groups = torch.where(y == 1, 2, torch.arange(len(y)) // 12)
    found = calibrate(OPEN_SCORES["logits"], x, y, areas(groups.tolist()), 5, 2).scores["energy"]
    assert len(found) == len(y)
    assert int(found.isinf().sum()) == int((y == 1).sum())
    with pytest.raises(InputError, match="2 shots or more"):
        calibrate(OPEN_SCORES["prototype"], x[:2], y[:2], areas([0, 1]), None)


def test_a_threshold_from_areas_accepts_new_areas_and_one_from_samples_does_not():
    g = torch.Generator().manual_seed(0)
    centres = torch.randn(4, 1, 6, generator=g) * 30
    places = centres + torch.randn(4, 8, 6, generator=g) * 4
    x = (places[:, :, None] + torch.randn(4, 8, 10, 6, generator=g) * 0.3).flatten(0, 2)
    y = torch.arange(4).repeat_interleave(80)
    groups = torch.arange(32).repeat_interleave(10)
    new = (centres + torch.randn(4, 50, 6, generator=g) * 4).flatten(0, 1)
    score = OPEN_SCORES["knn"]
    value = score(x, y, new)[1]["knn"]
    accepted = {}
    for name, apart in (("sample", SINGLE), ("area", areas(groups.tolist()))):
        held_out = calibrate(score, x, y, apart, None).scores["knn"]
        accepted[name] = float((value <= torch.quantile(held_out, 0.95)).double().mean())
    assert accepted["area"] > 0.85
    assert accepted["sample"] < 0.5
