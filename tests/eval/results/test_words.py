import pytest

from eval.results.words import (
    amount_name,
    amount_names,
    class_labels,
    class_marks,
    interval_points,
    listed,
    mean_sd_text,
    points,
    representation_name,
    several,
)


def test_words_that_people_read():
    assert representation_name("random") == "random weights"
    assert representation_name("window mean") == "window mean"
    assert amount_name({"shots": 1}) == "1 shot"
    assert amount_name({"shots": None, "labels": 0.01}) == "1 % of the labels"
    assert amount_name({"shots": None, "labels": None}) == "all labels"
    rows = [{"shots": 5}, {"shots": 20}, {"shots": None, "labels": 0.1}, {"shots": None, "labels": None}]
    assert amount_names(rows) == "5 and 20 shots and 10 % of the labels"
    assert [amount_names(some) for some in (rows[:1], [{"shots": 1}], rows[2:], rows[3:])] == [
        "5 shots",
        "1 shot",
        "10 % of the labels",
        "",
    ]
    assert [several(n, "seed") for n in (0, 1, 2_000)] == ["0 seeds", "1 seed", "2,000 seeds"]
    assert [listed(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_classes_with_short_names_need_no_numbers():
    assert class_marks(["0", "1"]) == class_labels(["0", "1"]) == ["0", "1"]
    assert class_marks(["corn", "2"]) == ["1", "2"]
    assert class_labels(["corn", "2"]) == ["1 corn", "2"]


@pytest.mark.parametrize(("value", "text"), [(0.1234, "+12.3"), (-0.05, "−5.0"), (-0.0001, "+0.0"), (0.0, "+0.0")])
def test_points_have_a_sign_and_no_negative_zero(value, text):
    assert points(value) == text


def test_numbers_in_percent():
    assert interval_points([-0.05, 0.3]) == "−5.0 to +30.0"
    assert mean_sd_text({"mean": 0.5, "sd": 0.0123}) == "50.0 ± 1.2"
    assert mean_sd_text({"mean": 0.5, "sd": None}) == "50.0"
    assert mean_sd_text({"mean": None, "sd": None}) == mean_sd_text(None) == "–"
