import pytest

from simclr.eval.results.words import (
    amount_name,
    amount_names,
    class_labels,
    class_marks,
    interval_points,
    listed,
    mean_sd_text,
    metric_family,
    metric_name,
    points,
    probe_name,
    representation_name,
    several,
)


def test_words_that_people_read():
    assert representation_name("random") == "random weights"
    assert representation_name("window mean") == "window mean"
    assert amount_name(1) == "1 shot"
    assert amount_name(None, 0.01) == "1 % of the labels"
    assert amount_name(None, None) == "all labels"
    amounts = [(5, None), (20, None), (None, 0.1), (None, None)]
    assert amount_names(amounts) == "5 and 20 shots and 10 % of the labels"
    assert [amount_names(some) for some in (amounts[:1], [(1, None)], amounts[2:], amounts[3:])] == [
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
    assert mean_sd_text(0.5, 0.0123) == "50.0 ± 1.2"
    assert mean_sd_text(0.5, None) == "50.0"
    assert mean_sd_text(None, None) == "–"


def test_metrics_have_families_and_what_nobody_knows_keeps_its_name():
    families = {"oa": "accuracy", "kappa": "accuracy", "accuracy": "accuracy", "ece_scaled": "calibration"}
    families |= {"r_at_1": "structure", "nmi": "structure", "somebody's metric": "other"}
    assert {metric: metric_family(metric) for metric in families} == families
    assert metric_name("somebody's metric") == "somebody's metric"
    assert probe_name("somebody's probe") == "somebody's probe"
