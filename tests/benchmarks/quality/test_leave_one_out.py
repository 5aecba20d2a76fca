"""A choice that is made without a set, and what it costs there."""

import pytest

from benchmarks.quality.leave_one_out import leave_one_out

FAMILIES = {"a": "a", "a-noise": "a", "b": "b", "c": "c"}


def test_the_choice_without_a_family_is_compared_with_the_choice_with_it():
    scores = {
        "x": {"a": 9.0, "a-noise": 9.0, "b": 0.0, "c": 0.0},
        "y": {"a": 1.0, "a-noise": 3.0, "b": 2.0, "c": 2.0},
    }
    found = {choice.family: choice for choice in leave_one_out(scores, FAMILIES)}
    # Over families x has (9 + 0 + 0) / 3 and y (2 + 2 + 2) / 3; without a, y is ahead.
    assert (found["a"].best, found["a"].without, found["a"].lost) == ("x", "y", pytest.approx(7))
    assert (found["b"].without, found["b"].lost) == ("x", 0)
    assert list(found) == ["a", "b", "c"]


def test_variants_of_a_set_have_no_say_where_it_is_left_out_and_no_more_than_one_otherwise():
    scores = {
        "x": {"a": 5.0, "a-noise": 5.0, "b": 0.0, "c": 1.0},
        "y": {"a": 0.0, "a-noise": 0.0, "b": 2.0, "c": 4.5},
    }
    found = {choice.family: choice for choice in leave_one_out(scores, FAMILIES)}
    # By sets x would have 11 and y 6.5; by families they have 6 and 6.5.
    assert found["b"].best == "y"
    assert found["a"].without == "y"


def test_a_contender_that_was_not_run_everywhere_takes_no_part():
    scores = {"x": {"a": 1.0, "b": 1.0}, "y": {"a": 2.0, "b": 2.0}, "z": {"a": 99.0}}
    assert {choice.best for choice in leave_one_out(scores, FAMILIES)} == {"y"}


def test_one_contender_or_one_family_is_no_choice():
    assert leave_one_out({"x": {"a": 1.0, "b": 1.0}}, FAMILIES) == []
    assert leave_one_out({"x": {"a": 1.0, "a-noise": 1.0}, "y": {"a": 2.0, "a-noise": 0.0}}, FAMILIES) == []
    assert leave_one_out({}, FAMILIES) == []
