import copy
import json
from math import comb

import pytest
import torch
from rich.console import Console

from eval.compare import compare
from eval.compare_command import print_comparison, run_compare
from eval.outcomes import pack
from eval.result_file import read_result
from eval.summary import write_result
from simclr.errors import InputError


def result(sha, oa, splits=("random",), seeds=range(5), correct=None):
    """A result whose rows hold ``oa`` for each split in turn."""
    seeds = list(seeds)
    row = {"representation": "pretrained", "probe": "ridge", "labels": None, "metric": "oa", "mean": 0.5, "sd": None}
    rows, described, outcomes = [], [], []
    for name in splits:
        key = {"split": name, "shots": None if name == "given" else 5}
        rows.append({**row, **key, "per_seed": oa})
        rows.append({**row, **key, "per_seed": [v - 0.3 for v in oa], "representation": "random"})
        described += [
            {**key, "labels": None, "seed": s, "test": 8, "sha256_train": f"{name}{s}", "sha256_test": f"{name}-{s}"}
            for s in seeds
        ]
        if correct is not None:
            outcomes.append(
                {"representation": "pretrained", "probe": "ridge", **key, "labels": None, "correct": [pack(correct)]}
            )
    return {
        "rows": rows,
        "splits": described,
        "outcomes": outcomes,
        "headline": "ridge",
        "transductive": False,
        "probes": {"ridge": {"alphas": [1.0]}},
        "source": {"name": "toy", "samples": 20, "test_part": None, "classes": {"a": 10, "b": 10}},
        "encoder": {"sha256_before": sha},
    }


FIRST = [0.60, 0.62, 0.58, 0.66, 0.61]
OTHER = [0.65, 0.66, 0.60, 0.65, 0.70]


def test_seeds_are_paired_and_tested():
    found = compare([result("a", FIRST), result("b", OTHER)], ["a", "b"])
    (row,) = found["rows"]
    assert row["per_seed"] == pytest.approx([0.05, 0.04, 0.02, -0.01, 0.09])
    assert row["mean"] == pytest.approx(0.038)
    # By hand: sd 0.03701, t(4, .975) = 2.7764; |sum| >= 0.19 for the signs +++++, -++++ of the 0.01 and their mirrors.
    assert row["ci95"] == pytest.approx([0.038 - 0.04596, 0.038 + 0.04596], abs=1e-4)
    assert row["p"] == 4 / 32
    assert json.loads(json.dumps(found)) == found


def test_splits_are_matched_by_hash_and_not_by_place():
    other = result("b", OTHER[::-1], seeds=[4, 3, 2, 1, 0])
    (row,) = compare([result("a", FIRST), other])["rows"]
    assert row["per_seed"] == pytest.approx([0.05, 0.04, 0.02, -0.01, 0.09])


def test_equal_results_differ_by_nothing():
    correct = torch.arange(8) % 2 == 0
    for a in (result("a", FIRST), result("a", [0.5], ["given"], [None], correct)):
        found = compare([a, copy.deepcopy(a)])
        (row,) = found["rows"]
        assert (row["mean"], row["p"], row["ci95"]) == (0.0, 1.0, [0.0, 0.0])
        assert any("same encoder" in note for note in found["notes"])


def test_one_fixed_split_is_tested_over_its_samples():
    a = torch.tensor([1, 1, 0, 0, 0, 0, 0, 0], dtype=torch.bool)
    b = torch.tensor([0, 1, 1, 1, 1, 1, 1, 0], dtype=torch.bool)
    first, other = (result(n, [float(c.float().mean())], ["given"], [None], c) for n, c in (("a", a), ("b", b)))
    (row,) = compare([first, other])["rows"]
    assert (row["only_first_right"], row["only_other_right"]) == (1, 5)
    assert row["mean"] == pytest.approx(0.5)
    assert row["p"] == pytest.approx(2 * (comb(6, 0) + comb(6, 1)) / 2**6)
    assert row["ci95"][0] < 0.5 < row["ci95"][1]


def test_without_kept_samples_a_single_split_has_no_test():
    first, other = result("a", [0.5], ["given"], [None]), result("b", [0.6], ["given"], [None])
    (row,) = compare([first, other])["rows"]
    assert (row["p"], row["ci95"], row["test"]) == (None, None, None)


def test_only_common_splits_count_and_that_is_said():
    found = compare([result("a", FIRST), result("b", OTHER[:3], seeds=[0, 1, 2])], ["a", "b"])
    (row,) = found["rows"]
    assert row["per_seed"] == pytest.approx([0.05, 0.04, 0.02])
    assert any("3 of 5 splits are the same" in note for note in found["notes"])


def test_a_kind_of_split_that_one_does_not_share_is_left_out_and_named():
    other = result("b", OTHER, ["random", "block"])
    for split in other["splits"]:
        split["sha256_test"] += "!" * (split["split"] == "block")
    found = compare([result("a", FIRST, ["random", "block"]), other])
    assert [row["split"] for row in found["rows"]] == ["random"]
    assert any("block split, 5 shots: 0 of 5" in note for note in found["notes"])


def test_more_than_two_stand_against_the_first():
    found = compare([result(name, FIRST) for name in "abc"], ["a", "b", "c"])
    assert [(row["first"], row["other"]) for row in found["rows"]] == [("a", "b"), ("a", "c")]
    assert any("not corrected for the 2 comparisons" in note for note in found["notes"])


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InputError, match="two or more"):
        compare([result("a", FIRST)])
    with pytest.raises(InputError, match="no split in common"):
        compare([result("a", FIRST), result("b", OTHER, seeds=range(5, 10))])
    elsewhere = result("b", OTHER)
    elsewhere["source"]["classes"] = {"x": 10, "y": 10}
    with pytest.raises(InputError, match="other data"):
        compare([result("a", FIRST), elsewhere])
    otherwise = result("b", OTHER)
    otherwise["probes"]["ridge"]["alphas"] = [2.0]
    with pytest.raises(InputError, match="same settings"):
        compare([result("a", FIRST), otherwise])
    long = result("b", [*OTHER, 0.5])
    with pytest.raises(InputError, match="damaged"):
        compare([result("a", FIRST), long])


def test_a_row_of_the_first_seeds_alone_is_paired_with_those():
    found = compare([result("a", FIRST), result("b", OTHER[:3]) | {"splits": result("b", OTHER)["splits"]}])
    assert found["rows"][0]["per_seed"] == pytest.approx([0.05, 0.04, 0.02])


def test_the_command_prints_points_and_writes_the_same(tmp_path, capsys):
    for name, values in (("a", FIRST), ("b", OTHER)):
        (tmp_path / name).mkdir()
        write_result(result(name, values), tmp_path / name / "result.json")
    run_compare([tmp_path / "a", tmp_path / "b" / "result.json"], output=tmp_path / "out" / "difference.json")
    written = json.loads((tmp_path / "out" / "difference.json").read_text())
    assert written == compare([result("a", FIRST), result("b", OTHER)], ["a", "b"])
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    print_comparison(written, console)
    text = console.export_text()
    assert "random, 5 shots, OA" in text
    assert "+3.8" in text
    assert "0.125" in text
    assert "+3.8" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "damaged"),
        ("[1]", "no result"),
        ('{"rows": [{"mean": 1}]}', "no result"),
        ('{"rows": []}', "has no splits"),
        (b"\xff\xfe", "damaged"),
    ],
)
def test_a_damaged_file_is_named_in_one_line(tmp_path, content, message):
    file = tmp_path / "result.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message) as error:
        read_result(tmp_path)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="there is no"):
        read_result(tmp_path / "nowhere")
