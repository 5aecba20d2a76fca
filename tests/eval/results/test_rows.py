import json
import statistics
from statistics import fmean

import pytest
from scipy import stats

from simclr.eval.metrics.statistics import interval, mean_sd
from simclr.eval.results.record import Result, Row
from simclr.eval.results.result_file import read_result, write_result
from simclr.eval.results.rows import gaps, paired


def row(representation, probe, split, per_seed, shots=None, metric="oa", seeds=None):
    return Row(
        representation=representation,
        probe=probe,
        split=split,
        shots=shots,
        labels=None,
        metric=metric,
        mean=fmean(per_seed),
        sd=None,
        per_seed=per_seed,
        seeds=((None,) if len(per_seed) == 1 else range(len(per_seed))) if seeds is None else seeds,
    )


def test_mean_sd_and_interval():
    values = [0.61, 0.64, 0.6, 0.7, 0.66]
    assert mean_sd(values) == pytest.approx((0.642, statistics.stdev(values)))
    expected = stats.t.interval(0.95, 4, loc=0.642, scale=stats.sem(values))
    assert interval(values) == pytest.approx(expected)
    assert mean_sd([0.5]) == (0.5, None)
    assert interval([0.5]) is interval([0.5, 0.6]) is None  # of two values, 13 standard errors to each side


def test_a_single_value_stands_against_every_seed():
    table = [
        row("pretrained", "ridge", "given", [0.9], metric="accuracy", seeds=[None]),
        row("random", "ridge", "given", [0.5, 0.6], metric="accuracy"),
        row("raw", "ridge", "given", [0.7], metric="accuracy", seeds=[None]),
    ]
    random, raw = paired(table, "ridge")
    assert random.per_seed == pytest.approx((0.4, 0.3))
    assert raw.per_seed == pytest.approx((0.2,))
    assert (raw.sd, raw.ci95) == (None, None)


def test_the_gap_is_random_minus_block_of_the_same_row_and_seed():
    table = [
        row("raw", "ridge", "random", [0.9, 0.7], shots=5),
        row("raw", "ridge", "block", [0.4, 0.6], shots=5),
        row("raw", "ridge", "random", [0.9, 0.7], shots=9),
        row("pca", "ridge", "block", [0.1, 0.2], shots=9),
    ]
    (gap,) = gaps(table)
    assert (gap.representation, gap.shots) == ("raw", 5)
    assert gap.per_seed == pytest.approx((0.5, 0.1))
    assert gap.mean == pytest.approx(0.3)


def test_pairs_are_of_one_seed_wherever_it_stands_in_its_row():
    table = [
        row("pretrained", "ridge", "random", [0.5, 0.9, 0.7], seeds=[3, 1, 8]),
        row("random", "ridge", "random", [0.1, 0.2, 0.3], seeds=[8, 3, 4]),
        row("raw", "ridge", "random", [0.1], seeds=[5]),
        row("pretrained", "ridge", "block", [0.25, 0.5], seeds=[8, 3]),
    ]
    (difference,) = paired(table, "ridge")
    assert difference.per_seed == pytest.approx((0.5 - 0.2, 0.7 - 0.1))
    (gap,) = gaps(table)
    assert gap.per_seed == pytest.approx((0.5 - 0.5, 0.7 - 0.25))


def test_training_from_scratch_stands_against_the_headline_probe():
    table = [
        row("pretrained", "ridge", "block", [0.9], shots=5),
        row("pretrained", "knn", "block", [0.8], shots=5),
        row("supervised", "supervised", "block", [0.5], shots=5),
    ]
    (difference,) = paired(table, "knn")
    assert (difference.difference, difference.probe) == ("pretrained - supervised", "knn")
    assert difference.baseline == "supervised"
    assert difference.mean == pytest.approx(0.3)


def result(**changes):
    of = {"rows": [row("raw", "ridge", "given", [0.1 + 0.2])], "splits": [], "source": {"name": "κ"}, "encoder": {}}
    return Result.model_validate({**of, "seeds": [0, 1], "command": None, **changes})


def test_a_written_result_is_read_back_whole(tmp_path):
    table = [row("raw", "ridge", "given", [0.1 + 0.2]), row("raw", "knn", "given", [0.5])]
    whole = result(rows=table, paired=paired(table, "ridge"))
    write_result(whole, tmp_path / "result.json")
    text = (tmp_path / "result.json").read_text(encoding="utf-8")
    assert read_result(tmp_path) == whole
    assert read_result(tmp_path).rows[0].mean == 0.1 + 0.2
    # What was not set is not written, and the order is that of the fields.
    assert list(json.loads(text)) == ["rows", "paired", "seeds", "splits", "source", "encoder", "command"]
    assert len([line for line in text.splitlines() if line.startswith("    {")]) == 2


def test_a_result_that_cannot_be_written_leaves_the_old_file(tmp_path):
    write_result(result(), tmp_path / "result.json")
    with pytest.raises(ValueError, match="JSON"):
        write_result(result(probes={"ridge": {"alpha": float("nan")}}), tmp_path / "result.json")
    assert read_result(tmp_path) == result()
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize(("seed", "difference"), [(0, 0.1), (1, 0.5), (2, 0.3)])
def test_a_baseline_that_ran_on_one_seed_alone_stands_against_that_seed(seed, difference):
    table = [
        row("pretrained", "ridge", "random", [0.5, 0.9, 0.7], shots=5),
        row("supervised", "supervised", "random", [0.4], shots=5, seeds=[seed]),
    ]
    (found,) = paired(table, "ridge")
    assert found.per_seed == pytest.approx((difference,))
    assert found.ci95 is None


def test_values_are_paired_by_their_seeds_in_whatever_order_they_stand():
    table = [
        row("pretrained", "ridge", "random", [0.5, 0.9, 0.7], shots=5, seeds=[7, 0, 3]),
        row("random", "ridge", "random", [0.3, 0.6, 0.1], shots=5, seeds=[0, 3, 9]),
        row("pretrained", "ridge", "block", [0.2, 0.4], shots=5, seeds=[3, 7]),
    ]
    (found,) = paired(table, "ridge")
    assert found.per_seed == pytest.approx((0.9 - 0.3, 0.7 - 0.6))
    (gap,) = gaps(table)
    assert gap.per_seed == pytest.approx((0.5 - 0.4, 0.7 - 0.2))
    assert paired([table[0], row("raw", "ridge", "random", [0.3], shots=5, seeds=[5])], "ridge") == []


def test_names_of_any_characters_are_written_and_read_back(tmp_path):
    names = {"half\udcff": 1, "a\x1b\x00": 2, "\U0001f33d": 3}
    whole = result(source={"name": "x\ud800", "classes": names})
    write_result(whole, tmp_path / "result.json")
    assert read_result(tmp_path) == whole
