import re

import pytest
from rich.console import Console

from eval.metrics.statistics import interval, mean_sd
from eval.report.terminal import print_result, side_by_side

PER_SEED = [0.60, 0.65, 0.625]


def result(shots=(5, 20), metrics=("oa", "aa", "kappa"), probes=("ridge", "logistic"), splits=("random",), n=3):
    rows = [
        {"representation": r, "probe": p, "shots": k, "labels": None, "split": split, "metric": m}
        | {**mean_sd(PER_SEED[:n]), "per_seed": PER_SEED[:n]}
        for split in splits
        for r in ("pretrained", "random", "raw")
        for p in probes
        for k in shots
        for m in metrics
    ]
    rows += [r | {"representation": "supervised", "probe": "supervised"} for r in rows if r["representation"] == "raw"]
    values = [0.02, 0.05, 0.0236][:n]
    return {
        "rows": rows,
        "paired": [
            {"difference": f"pretrained - {r}", "probe": p, "shots": k, "labels": None, "split": split}
            | {"metric": metrics[0], **mean_sd(values), "ci95": interval(values), "per_seed": values}
            for split in splits
            for p in probes
            for k in shots
            for r in ("random", "raw")
        ],
        "gaps": [
            {"gap": "random - block", "representation": r, "probe": "logistic", "shots": 5, "labels": None}
            | {"metric": metrics[0], **mean_sd(values), "ci95": interval(values), "per_seed": values}
            for r in ("pretrained", "random")
        ],
        "headline": "logistic",
        "seeds": list(range(n)),
        "source": {"name": "indian-pines"},
        "skipped": [],
        "splits": [{"split": split, "left_out": ["Oats"]} for split in splits],
    }


def printed(content, width=80):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    print_result(content, console)
    text = console.export_text()
    assert "…" not in text.replace("minus …", "")  # nothing is cut
    assert max(map(len, text.splitlines())) <= width
    return text


def test_two_numbers_of_shots_fit_on_a_terminal_of_80_columns():
    text = printed(result())
    (line,) = [line for line in text.splitlines() if line.startswith("pretrained  ")]
    assert line.count("62.5 ±2.5") == 6
    assert "Oats" in text
    assert "ridge" not in text
    assert text.count("logistic") == 1  # once for the table, not in every column


def test_what_does_not_fit_makes_another_table():
    lines = printed(result(shots=(5, 10, 20))).splitlines()
    assert sum(line.count("62.5 ±2.5") for line in lines if line.startswith("pretrained  ")) == 9


def test_random_weights_are_called_so_and_the_others_by_what_they_are():
    text = printed(result())
    assert not re.search(r"^random  ", text, re.MULTILINE)
    for name in ("random weights", "raw input", "from scratch"):
        assert re.search(rf"^{name} ", text, re.MULTILINE)


def test_a_single_column_shows_every_probe():
    text = printed(result(shots=(None,), metrics=("accuracy",)))
    assert "ridge" in text
    assert "logistic" in text


def test_differences_are_one_table_with_their_interval():
    text = printed(result(splits=("random", "block")))
    assert text.count("pretrained minus each baseline") == 1
    lines = text.splitlines()
    (place,) = [i for i, line in enumerate(lines) if line.startswith("raw input") and "+3.1" in line]
    assert lines[place].split()[2:] == ["+3.1"] * 4
    # By hand: mean 3.12, sd 1.63677, t(2, .975) = 4.30265, so ± 4.0659.
    assert lines[place + 1].split() == ["−0.9", "to", "+7.2"] * 4
    assert lines[place - 4].split() == ["minus", "…"] + ["5", "shots", "20", "shots"] * 2
    assert "pretrained, random minus block split, OA, points: 5 shots +3.1 (−0.9 to +7.2)" in text


@pytest.mark.parametrize("n", [1, 2])
def test_below_three_seeds_there_is_no_interval_and_n_is_said(n):
    text = printed(result(n=n))
    assert f"n = {n}" in text
    assert "no interval where n, the number of seeds, is below 3" in text
    assert " to " not in text


def test_columns_go_side_by_side_as_evenly_as_they_fit():
    assert side_by_side("abcdef", [1] * 6, 6) == ["abcdef"]
    assert side_by_side("abcdef", [1] * 6, 5) == ["abcde", "f"]
    assert side_by_side("abc", [9, 9, 9], 5) == ["a", "b", "c"]
    assert side_by_side("", [], 5) == []
