import copy
import json
from io import StringIO
from math import comb
from pathlib import Path

import pytest
import torch
from rich.console import Console

from simclr.errors import InputError
from simclr.eval.commands import run_compare
from simclr.eval.linear_eval import linear_eval
from simclr.eval.metrics.statistics import sign_flip_p
from simclr.eval.report.summary import print_comparison
from simclr.eval.results.chosen import choose, telling_names
from simclr.eval.results.compare import compare
from simclr.eval.results.comparison import Comparison
from simclr.eval.results.outcomes import pack
from simclr.eval.results.record import Result
from simclr.eval.results.result_file import as_json, as_result, read_result, write_result


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
            {
                **key,
                "labels": None,
                "seed": s,
                "train": 5,
                "test": 8,
                "sha256_train": f"{name}{s}",
                "sha256_test": f"{name}-{s}",
            }
            for s in seeds
        ]
        if correct is not None:
            of = {"representation": "pretrained", "probe": "ridge", **key, "labels": None}
            outcomes.append({**of, "counts": None, "correct": [pack(correct)]})
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


def against(*results, names=None):
    """The comparison of results that are given as JSON has them."""
    return compare([Result.model_validate(content) for content in results], names)


FIRST = [0.60, 0.62, 0.58, 0.66, 0.61]
OTHER = [0.65, 0.66, 0.60, 0.65, 0.70]


def test_seeds_are_paired_and_tested():
    found = against(result("a", FIRST), result("b", OTHER), names=["a", "b"])
    (row,) = found.rows
    assert row.per_seed == pytest.approx([0.05, 0.04, 0.02, -0.01, 0.09])
    assert row.mean == pytest.approx(0.038)
    # By hand: sd 0.03701, t(4, .975) = 2.7764; |sum| >= 0.19 for the signs +++++, -++++ of the 0.01 and their mirrors.
    assert row.ci95 == pytest.approx([0.038 - 0.04596, 0.038 + 0.04596], abs=1e-4)
    assert row.p == 4 / 32
    assert Comparison.model_validate(json.loads(json.dumps(as_json(found)))) == found


def test_splits_are_matched_by_hash_and_not_by_place():
    other = result("b", OTHER[::-1], seeds=[4, 3, 2, 1, 0])
    (row,) = against(result("a", FIRST), other).rows
    assert row.per_seed == pytest.approx([0.05, 0.04, 0.02, -0.01, 0.09])


def test_equal_results_differ_by_nothing():
    correct = torch.arange(8) % 2 == 0
    for a in (result("a", FIRST), result("a", [0.5], ["given"], [None], correct)):
        found = against(a, copy.deepcopy(a))
        (row,) = found.rows
        assert (row.mean, row.p, row.ci95) == (0.0, 1.0, (0.0, 0.0))
        assert any("same encoder" in note for note in found.notes)


def test_one_fixed_split_is_tested_over_its_samples():
    a = torch.tensor([1, 1, 0, 0, 0, 0, 0, 0], dtype=torch.bool)
    b = torch.tensor([0, 1, 1, 1, 1, 1, 1, 0], dtype=torch.bool)
    first, other = (result(n, [float(c.float().mean())], ["given"], [None], c) for n, c in (("a", a), ("b", b)))
    (row,) = against(first, other).rows
    assert (row.only_first_right, row.only_other_right) == (1, 5)
    assert row.mean == pytest.approx(0.5)
    assert row.p == pytest.approx(2 * (comb(6, 0) + comb(6, 1)) / 2**6)
    assert row.ci95[0] < 0.5 < row.ci95[1]


def test_without_kept_samples_a_single_split_has_no_test():
    first, other = result("a", [0.5], ["given"], [None]), result("b", [0.6], ["given"], [None])
    (row,) = against(first, other).rows
    assert (row.p, row.ci95, row.test) == (None, None, None)


def test_only_common_splits_count_and_that_is_said():
    found = against(result("a", FIRST), result("b", OTHER[:3], seeds=[0, 1, 2]), names=["a", "b"])
    (row,) = found.rows
    assert row.per_seed == pytest.approx([0.05, 0.04, 0.02])
    assert any("3 of 5 splits are the same" in note for note in found.notes)


def test_a_kind_of_split_that_one_does_not_share_is_left_out_and_named():
    other = result("b", OTHER, ["random", "block"])
    for split in other["splits"]:
        split["sha256_test"] += "!" * (split["split"] == "block")
    found = against(result("a", FIRST, ["random", "block"]), other)
    assert [row.split for row in found.rows] == ["random"]
    assert any("block split, 5 shots: 0 of 5" in note for note in found.notes)


def test_more_than_two_stand_against_the_first():
    found = against(*(result(name, FIRST) for name in "abc"), names=["a", "b", "c"])
    assert [(row.first, row.other) for row in found.rows] == [("a", "b"), ("a", "c")]
    text = printed(found)
    assert "B − A" in text
    assert "C − A" in text
    assert "2 p values, not corrected" in text


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InputError, match="two or more"):
        against(result("a", FIRST))
    with pytest.raises(InputError, match="no split in common"):
        against(result("a", FIRST), result("b", OTHER, seeds=range(5, 10)))
    elsewhere = result("b", OTHER)
    elsewhere["source"]["classes"] = {"x": 10, "y": 10}
    with pytest.raises(InputError, match="other data"):
        against(result("a", FIRST), elsewhere)
    otherwise = result("b", OTHER)
    otherwise["probes"]["ridge"]["alphas"] = [2.0]
    with pytest.raises(InputError, match="same settings"):
        against(result("a", FIRST), otherwise)
    long = result("b", [*OTHER, 0.5])
    with pytest.raises(InputError, match="damaged"):
        against(result("a", FIRST), long)


def test_a_row_of_the_first_seeds_alone_is_paired_with_those():
    found = against(result("a", FIRST), result("b", OTHER[:3]) | {"splits": result("b", OTHER)["splits"]})
    assert found.rows[0].per_seed == pytest.approx([0.05, 0.04, 0.02])


def test_a_row_that_learned_from_no_label_is_paired_by_the_first_split_of_each_seed():
    def with_neighbours(sha, oa, seeds, at_one):
        content = result(sha, oa, seeds=seeds)
        more = [
            {**s, "shots": 20, "sha256_train": f"20 {s['sha256_train']}", "sha256_test": f"20 {s['sha256_test']}"}
            for s in content["splits"]
        ]
        row = {**content["rows"][0], "probe": "retrieval", "shots": None, "metric": "r_at_1", "per_seed": at_one}
        return content | {"splits": content["splits"] + more, "rows": [*content["rows"], row]}

    first = with_neighbours("a", FIRST, [0, 1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4, 0.5])
    other = with_neighbours("b", OTHER[::-1], [4, 3, 2, 1, 0], [0.9, 0.7, 0.5, 0.3, 0.1])
    found = against(first, other)
    (row,) = [row for row in found.rows if row.metric == "r_at_1"]
    assert row.per_seed == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert (row.shots, row.labels) == (None, None)
    for split in other["splits"][:5]:  # of the test samples that neighbours were looked up among
        split["sha256_test"] += "!"
    other["rows"] = [other["rows"][-1]]
    with pytest.raises(InputError, match="no split in common"):
        against(first, other)
    first["rows"][-1]["per_seed"].append(0.6)
    with pytest.raises(InputError, match="6 values for 5 splits: it is damaged"):
        against(first, other)


def printed(found, rows=None, width=80):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    print_comparison(found, choose(found) if rows is None else rows, console)
    text = console.export_text()
    assert "…" not in text.replace("…)", "")  # nothing is cut but the encoder's hash
    return text


def written(tmp_path, *names, **more):
    for name, values in zip(names, (FIRST, OTHER), strict=True):
        (tmp_path / name).mkdir(parents=True)
        write_result(Result.model_validate(result(name, values, **more)), tmp_path / name / "result.json")
    return [tmp_path / name for name in names]


def test_the_command_prints_points_and_writes_the_same(tmp_path, capsys):
    a, b = written(tmp_path, "a", "b")
    run_compare([a, b / "result.json"], output=tmp_path / "out" / "difference.json")
    content = json.loads((tmp_path / "out" / "difference.json").read_text())
    found = against(result("a", FIRST), result("b", OTHER), names=["a", "b"])
    assert content == as_json(found)
    text = printed(found)
    assert "random, 5 shots, OA" in text
    assert "+3.8" in text
    assert "0.125" in text
    assert "+3.8" in capsys.readouterr().out


def test_the_least_possible_p_is_said_where_it_is_large():
    found = against(result("a", FIRST), result("b", OTHER))
    assert found.rows[0].p_floor == 1 / 16 == sign_flip_p([0.1] * 5)
    assert "with 5 splits p cannot be below 0.062: evaluate with more --seeds for less" in printed(found)
    many = [0.1 * i for i in range(8)]
    found = against(result("a", many, seeds=range(8)), result("b", many[::-1], seeds=range(8)))
    assert "cannot be below" not in printed(found)


def test_two_splits_give_no_interval():
    (row,) = against(result("a", FIRST[:2], seeds=[0, 1]), result("b", OTHER[:2], seeds=[0, 1])).rows
    assert row.ci95 is None
    assert "too few for an interval" in row.test


def two_probes():
    found = [result(name, values, ["random", "block"]) for name, values in (("a", FIRST), ("b", OTHER))]
    for content in found:
        content["rows"] += [row | {"probe": "knn", "metric": "aa"} for row in content["rows"]]
    return against(*found)


def test_what_is_counted_is_what_is_shown():
    found = two_probes()
    text = printed(found)
    lines = [line for line in text.splitlines() if ", 5 shots, " in line]
    assert len(lines) == 2
    assert "2 p values, not corrected" in text
    assert "2 of 4 differences are shown" in text
    rows = choose(found, probe="ridge,kNN")
    text = printed(found, rows)
    assert sum(", 5 shots, " in line for line in text.splitlines()) == 4
    assert "4 p values, not corrected" in text
    assert "are shown" not in text


def test_without_a_metric_accuracies_are_shown():
    found = [result(name, values) for name, values in (("a", FIRST), ("b", OTHER))]
    for content in found:
        content["rows"] += [row | {"metric": "ece"} for row in content["rows"]]
    found = against(*found)
    assert [row.metric for row in choose(found)] == ["oa"]
    assert [row.metric for row in choose(found, metric="ece")] == ["ece"]


def test_what_is_shown_is_what_is_asked_for():
    found = two_probes()
    (row,) = choose(found, probe="knn", split="block", shots="5", metric="AA")
    assert (row.probe, row.split, row.metric) == ("knn", "block", "aa")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"probe": "svm"}, "--probe names 'svm', but the results share ridge, knn"),
        ({"split": "blocks"}, "--split names 'blocks', but the results share random, block; did you mean block?"),
        ({"shots": "7"}, "--shots names '7', but the results share 5"),
        ({"metric": "kappa"}, "--metric names 'kappa', but the results share oa, aa"),
        ({"probe": "knn", "metric": "oa"}, "--metric names 'oa', but among these the results share aa"),
    ],
)
def test_what_no_row_has_is_an_error_that_names_what_there_is(asked, message):
    with pytest.raises(InputError) as error:
        choose(two_probes(), **asked)
    assert str(error.value) == message


def test_an_unknown_probe_leaves_no_file_behind(tmp_path):
    with pytest.raises(InputError, match="svm"):
        run_compare(written(tmp_path, "a", "b"), output=tmp_path / "difference.json", probe="svm")
    assert not (tmp_path / "difference.json").exists()


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["runs/a", "runs/b"], ["a", "b"]),
        (["runs/a/result.json", "runs/b"], ["a", "b"]),
        (["runs/long-name-1/judged/2026", "runs/long-name-2/judged/2026"], ["long-name-1", "long-name-2"]),
        (["runs/a/one", "runs/b/two"], ["a/one", "b/two"]),
        (["runs/a", "runs/a/elsewhere"], ["a", "a/elsewhere"]),
        (["runs/a/result.json", "runs/a/few-shot.json"], ["result.json", "few-shot.json"]),
        (["runs/a", "runs/a"], ["runs/a (1)", "runs/a (2)"]),
    ],
)
def test_names_are_the_parts_of_the_paths_that_differ(paths, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in paths:
        if not path.endswith(".json"):
            Path(path).mkdir(parents=True, exist_ok=True)
    assert telling_names([Path(path) for path in paths]) == names


def test_long_names_are_not_cut(tmp_path, capsys):
    names = [f"{'very-' * 8}long-{i}" for i in (1, 2)]
    run_compare(written(tmp_path, *names))
    text = capsys.readouterr().out
    assert f"A  {names[0]}" in text
    assert f"B  {names[1]}" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "damaged"),
        ("[1]", "no result"),
        ('{"rows": [{"mean": 1}]}', "no result"),
        ('{"rows": []}', "splits is no list"),
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


def test_matrices_of_features_are_compared_and_not_called_the_same_encoder():
    first, other = result(None, FIRST), result(None, OTHER)
    for content in (first, other):
        content["rows"] = [{**r, "representation": "features"} for r in content["rows"][:1]]
    found = against(first, other)
    assert found.rows[0].per_seed == pytest.approx([0.05, 0.04, 0.02, -0.01, 0.09])
    assert not any("same encoder" in note for note in found.notes)


def test_a_split_that_two_seeds_drew_alike_counts_for_each():
    first, other = result("a", FIRST), result("b", OTHER)
    for content in (first, other):
        content["splits"] = [{**s, "sha256_train": "x", "sha256_test": "y"} for s in content["splits"]]
    (row,) = against(first, other).rows
    assert row.per_seed == pytest.approx([0.05, 0.04, 0.02, -0.01, 0.09])


def test_splits_without_a_hash_and_missing_outcomes_are_refused():
    first, other = result("a", FIRST), result("b", OTHER)
    del other["splits"][1]["sha256_train"]
    with pytest.raises(InputError, match="a split of the result has no hash"):
        against(first, other)
    correct = torch.arange(8) % 2 == 0
    first, other = (result(n, [0.5], ["given"], [None], correct) for n in "ab")
    other["outcomes"][0]["correct"] = []
    with pytest.raises(InputError, match="has 0 splits, fewer than its rows"):
        against(first, other)


def broken(content, depth=0):
    """Copies of a result with one key missing or of another kind, at every depth."""
    items = content.items() if isinstance(content, dict) else list(enumerate(content))[:1]
    for key, value in items:
        copy = dict(content) if isinstance(content, dict) else list(content)
        del copy[key]
        yield copy
        for wrong in (None, "x", -1, [], {}, [None], 10**30, "\ud800"):
            copy = dict(content) if isinstance(content, dict) else list(content)
            copy[key] = wrong
            yield copy
        if isinstance(value, dict | list) and value and depth < 4:
            for inner in broken(value, depth + 1):
                copy = dict(content) if isinstance(content, dict) else list(content)
                copy[key] = inner
                yield copy


@pytest.mark.slow
def test_a_real_result_with_one_thing_wrong_is_refused_in_one_line_or_compared(tmp_path):
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    features = torch.randn(60, 4, generator=g) + 2 * torch.eye(3, 4)[labels]
    whole = as_result(linear_eval(features, labels, shots=[3], seeds=range(3), probes=["ridge", "knn"]))
    write_result(whole, tmp_path / "result.json")
    content = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    several = list(broken(content))
    assert len(several) > 500
    file = tmp_path / "broken.json"
    refused = []
    for changed in several[:: len(several) // 400]:
        file.write_text(json.dumps(changed))
        try:
            found = compare([whole, read_result(file)])
            print_comparison(found, found.rows, Console(file=StringIO(), width=100))
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 100
    assert not [text for text in refused if "\n" in text]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"rows":' * 50_000, "\xff", ""])
def test_a_file_that_is_nested_or_no_text_is_damaged_in_one_line(tmp_path, text):
    (tmp_path / "result.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"result\.json is damaged, no JSON") as error:
        read_result(tmp_path)
    assert "\n" not in str(error.value)


def test_what_linear_eval_writes_by_default_is_compared_by_every_metric(tmp_path):
    """Rows of neighbours and clusters have neither shots nor a share, and a value for each seed alone."""
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    features = torch.randn(60, 4, generator=g) + 2 * torch.eye(3, 4)[labels]
    results = [as_result(linear_eval(x, labels, shots=[3, 5])) for x in (features, features.flip(1))]
    found = compare(results)
    assert {row.metric for row in found.rows} == {"oa", "aa", "kappa", "ece", "ece_scaled", "r_at_1", "map_at_r", "nmi"}
    for row in found.rows:
        ours, theirs = (
            next(r for r in result.rows if (r.probe, r.metric, r.shots) == (row.probe, row.metric, row.shots))
            for result in results
        )
        assert row.mean == pytest.approx(theirs.mean - ours.mean)
