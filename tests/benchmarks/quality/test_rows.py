"""The choice of probes on training samples, and paired intervals."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from benchmarks.quality.entries import UNTRAINED, Cell, Entry
from benchmarks.quality.rows import chosen, rows_of, strongest, word_of


def cell(representation, probe, test, held_out=None, split="block", metric="accuracy"):
    return Cell(representation, probe, split, "5", metric, tuple(test), None if held_out is None else tuple(held_out))


def entry(contender, *cells, seeds=3):
    return Entry("samson", contender, tuple(range(seeds)), "key", cells)


def test_each_split_has_the_probe_that_is_best_on_its_training_samples_and_the_first_among_equals():
    a = cell("ours", "logistic", [0.1, 0.1, 0.1], [0.5, 0.9, 0.7])
    b = cell("ours", "ridge", [0.9, 0.9, 0.9], [0.6, 0.9, 0.6])
    assert [pick.probe for pick in chosen([a, b])] == ["ridge", "logistic", "logistic"]
    assert [pick.probe for pick in chosen([b, a])] == ["ridge", "ridge", "logistic"]


def test_without_held_out_samples_the_first_is_chosen_and_never_by_test_samples():
    a, b = cell("ours", "prototype cosine", [0.1, 0.2]), cell("ours", "prototype euclidean", [0.9, 0.9])
    assert [pick.probe for pick in chosen([a, b])] == ["prototype cosine", "prototype cosine"]


def test_the_best_of_theirs_stands_against_ours_with_the_chosen_probe():
    ours = [
        cell("ours", "logistic", [0.80, 0.90, 0.70], [0.9, 0.8, 0.9]),
        cell("ours", "ridge", [0.95, 0.60, 0.99], [0.8, 0.9, 0.8]),
    ]
    others = [
        cell("raw", "knn", [0.99, 0.10, 0.10]),
        cell("unit spectrum", "ridge", [0.60, 0.70, 0.65]),
    ]
    own = [cell("own window mean", "ridge", [0.1, 0.1, 0.1]), cell("random", "knn", [1.0, 1.0, 1.0])]
    (row,) = rows_of(entry("scene", *ours, *own), entry(UNTRAINED, *others))
    mine, theirs = np.array([80.0, 60.0, 70.0]), np.array([60.0, 70.0, 65.0])
    expected = ttest_rel(mine, theirs).confidence_interval(0.95)
    assert (row.baseline, row.chosen, row.best_probe) == ("unit spectrum, ridge", "logistic", "ridge")
    assert (row.ours, row.theirs, row.random) == pytest.approx((mine.mean(), theirs.mean(), 100.0))
    assert row.ours_best == pytest.approx(100 * (0.95 + 0.60 + 0.99) / 3)
    assert (row.difference, row.low, row.high) == pytest.approx((5.0, *expected))
    assert row.word == "not sure"  # so few seeds say little


def test_a_baseline_whose_probe_is_chosen_on_training_samples_is_even():
    ours = cell("ours", "ridge", [0.80, 0.85, 0.90], [0.5] * 3)
    raw = [
        cell("raw", "knn", [0.95, 0.95, 0.95], [0.1, 0.2, 0.3]),  # with hindsight
        cell("raw", "ridge", [0.60, 0.70, 0.80], [0.3, 0.3, 0.4]),
    ]
    unit = [
        cell("unit", "knn", [0.9, 0.1, 0.2], [0.5, 0.4, 0.4]),
        cell("unit", "ridge", [0.1, 0.9, 0.9], [0.4, 0.5, 0.4]),
    ]
    (row,) = rows_of(entry("scene", ours), entry(UNTRAINED, *raw, *unit))
    assert (row.baseline, row.theirs) == ("raw, knn", pytest.approx(95))
    theirs = np.array([60.0, 70.0, 80.0])  # of raw; of unit it would be 90, 90 and 20
    expected = ttest_rel([80.0, 85.0, 90.0], theirs).confidence_interval(0.95)
    assert row.theirs_chosen == pytest.approx(70)
    assert (row.even, row.even_low, row.even_high) == pytest.approx((15, *expected))


def test_a_baseline_of_the_contenders_own_input_counts():
    ours, own = cell("ours", "ridge", [0.5] * 3, [0.5] * 3), cell("own window mean", "ridge", [0.8] * 3)
    (row,) = rows_of(entry("scene", ours, own), entry(UNTRAINED, cell("raw", "ridge", [0.6] * 3)))
    assert row.baseline == "own window mean, ridge"


def test_rows_are_of_one_split_amount_and_metric():
    ours = [cell("ours", "ridge", [0.5] * 3, split=split) for split in ("random", "block")]
    theirs = [cell("raw", "ridge", [0.4] * 3, split="block"), cell("raw", "ridge", [0.9] * 3, metric="R@1")]
    (row,) = rows_of(entry("scene", *ours), entry(UNTRAINED, *theirs))
    assert (row.split, row.theirs) == ("block", pytest.approx(40))


def test_other_seeds_do_not_belong_together():
    with pytest.raises(ValueError, match="do not belong together"):
        rows_of(entry("scene", seeds=2), entry(UNTRAINED, seeds=3))


def test_fewer_than_three_seeds_leave_the_difference_itself():
    ours, theirs = cell("ours", "ridge", [0.5, 0.6]), cell("raw", "ridge", [0.5, 0.5])
    (row,) = rows_of(entry("scene", ours, seeds=2), entry(UNTRAINED, theirs, seeds=2))
    assert (row.low, row.high, row.word) == (None, None, "pays")


def test_the_strongest_is_the_one_with_the_largest_mean():
    cells = [cell("raw", "knn", [0.9, 0.1]), cell("pca", "ridge", [0.6, 0.6])]
    assert strongest(cells).representation == "pca"


@pytest.mark.parametrize(
    ("difference", "low", "word"),
    [(2, 0, "pays"), (2, -0.1, "does not harm"), (0, -1, "does not harm"), (5, -1.1, "not sure"), (-2, None, "harms")],
)
def test_the_interval_decides(difference, low, word):
    assert word_of(difference, low) == word
