import json
import statistics

import pytest
from scipy import stats

from eval.metrics.statistics import interval, mean_sd
from eval.results.result_file import write_result
from eval.results.rows import gaps, paired


def test_mean_sd_and_interval():
    values = [0.61, 0.64, 0.6, 0.7, 0.66]
    assert mean_sd(values) == {"mean": pytest.approx(0.642), "sd": pytest.approx(statistics.stdev(values))}
    expected = stats.t.interval(0.95, 4, loc=0.642, scale=stats.sem(values))
    assert interval(values) == pytest.approx(list(expected))
    assert mean_sd([0.5]) == {"mean": 0.5, "sd": None}
    assert interval([0.5]) is interval([0.5, 0.6]) is None  # of two values, 13 standard errors to each side


def test_a_single_value_stands_against_every_seed():
    key = {"probe": "ridge", "shots": None, "labels": None, "split": "given", "metric": "accuracy"}
    table = [
        {"representation": "pretrained", **key, "per_seed": [0.9]},
        {"representation": "random", **key, "per_seed": [0.5, 0.6]},
        {"representation": "raw", **key, "per_seed": [0.7]},
    ]
    random, raw = paired(table, "ridge")
    assert random["per_seed"] == pytest.approx([0.4, 0.3])
    assert raw["per_seed"] == pytest.approx([0.2])
    assert (raw["sd"], raw["ci95"]) == (None, None)


def test_the_gap_is_random_minus_block_of_the_same_row_and_seed():
    key = {"probe": "ridge", "labels": None, "metric": "oa"}
    table = [
        {"representation": "raw", **key, "shots": 5, "split": "random", "per_seed": [0.9, 0.7]},
        {"representation": "raw", **key, "shots": 5, "split": "block", "per_seed": [0.4, 0.6]},
        {"representation": "raw", **key, "shots": 9, "split": "random", "per_seed": [0.9, 0.7]},
        {"representation": "pca", **key, "shots": 9, "split": "block", "per_seed": [0.1, 0.2]},
    ]
    (gap,) = gaps(table)
    assert (gap["representation"], gap["shots"]) == ("raw", 5)
    assert gap["per_seed"] == pytest.approx([0.5, 0.1])
    assert gap["mean"] == pytest.approx(0.3)


def test_training_from_scratch_stands_against_the_headline_probe():
    key = {"shots": 5, "labels": None, "split": "block", "metric": "oa"}
    table = [
        {"representation": "pretrained", "probe": "ridge", **key, "per_seed": [0.9]},
        {"representation": "pretrained", "probe": "knn", **key, "per_seed": [0.8]},
        {"representation": "supervised", "probe": "supervised", **key, "per_seed": [0.5]},
    ]
    (difference,) = paired(table, "knn")
    assert (difference["difference"], difference["probe"]) == ("pretrained - supervised", "knn")
    assert difference["mean"] == pytest.approx(0.3)


def test_a_written_result_is_read_back_whole(tmp_path):
    result = {"rows": [{"mean": 0.1 + 0.2, "sd": None}, {"name": "κ"}], "paired": [], "seeds": [0, 1], "command": None}
    write_result(result, tmp_path / "result.json")
    text = (tmp_path / "result.json").read_text(encoding="utf-8")
    assert json.loads(text) == result
    assert list(json.loads(text)) == list(result)
    assert len([line for line in text.splitlines() if line.startswith("    {")]) == 2


def test_a_result_that_cannot_be_written_leaves_the_old_file(tmp_path):
    write_result({"rows": []}, tmp_path / "result.json")
    with pytest.raises(ValueError, match="JSON"):
        write_result({"rows": [{"mean": float("nan")}]}, tmp_path / "result.json")
    assert json.loads((tmp_path / "result.json").read_text()) == {"rows": []}
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]
