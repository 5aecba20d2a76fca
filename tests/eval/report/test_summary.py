import re
from functools import partial

import pytest
from rich.console import Console

from simclr.eval.metrics.statistics import interval, mean_sd
from simclr.eval.report.prose import how_it_was_judged
from simclr.eval.report.select import leakage_note
from simclr.eval.report.summary import print_few_shot, print_result
from simclr.eval.results.record import Result, SplitRecord

PER_SEED = [0.60, 0.65, 0.625]


def linear(shots=(5, 20), metrics=("oa", "aa", "kappa"), probes=("ridge", "logistic"), splits=("random",), n=3):
    rows = [
        {"representation": r, "probe": p, "shots": k, "labels": None, "split": split, "metric": m}
        | {**mean_sd(PER_SEED[:n])._asdict(), "per_seed": PER_SEED[:n]}
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
            | {"metric": metrics[0], **mean_sd(values)._asdict(), "ci95": interval(values), "per_seed": values}
            for split in splits
            for p in probes
            for k in shots
            for r in ("random", "raw")
        ],
        "gaps": [
            {"gap": "random - block", "representation": r, "probe": "logistic", "shots": 5, "labels": None}
            | {"metric": metrics[0], **mean_sd(values)._asdict(), "ci95": interval(values), "per_seed": values}
            for r in ("pretrained", "random")
        ],
        "headline": "logistic",
        "seeds": list(range(n)),
        "source": {"name": "indian-pines"},
        "encoder": {},
        "skipped": [],
        "splits": [
            {"split": split, "shots": k, "left_out": ["Oats"], "train": 9, "test": 9} for split in splits for k in shots
        ],
    }


EVERYTHING = partial(print_result, all_scores=True)


def printed(content, width=80, show=EVERYTHING):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    show(Result.model_validate(content), console)
    text = console.export_text()
    assert "…" not in text.replace("minus …", "")  # nothing is cut
    assert max(map(len, text.splitlines()), default=0) <= width
    return text


def test_two_numbers_of_shots_fit_on_a_terminal_of_80_columns():
    text = printed(linear())
    (line,) = [line for line in text.splitlines() if line.startswith("pretrained  ")]
    assert line.count("62.5 ±2.5") == 6
    assert "random split, classes that cannot be shared (with at least one seed): Oats" in text
    assert "ridge" not in text
    assert text.count("logistic") == 2  # once for each table, not in every column


def test_what_does_not_fit_makes_another_table():
    lines = printed(linear(shots=(5, 10, 20))).splitlines()
    assert sum(line.count("62.5 ±2.5") for line in lines if line.startswith("pretrained  ")) == 9


def test_random_weights_are_called_so_and_the_others_by_what_they_are():
    text = printed(linear())
    assert not re.search(r"^random  ", text, re.MULTILINE)
    for name in ("random weights", "raw input", "from scratch"):
        assert re.search(rf"^{name} ", text, re.MULTILINE)


def test_a_single_column_shows_every_probe():
    lines = printed(linear(shots=(None,), metrics=("accuracy",))).splitlines()
    assert ["ridge", "logistic"] in [line.split() for line in lines]
    assert ["pretrained", *["62.5", "±2.5"] * 2] in [line.split() for line in lines]
    assert ["from", "scratch", "–", "62.5", "±2.5"] in [line.split() for line in lines]


def test_differences_are_one_table_with_their_interval():
    text = printed(linear(splits=("random", "block")))
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
    text = printed(linear(n=n))
    assert f"n = {n}" in text
    assert "no interval where n, the number of seeds, is below 3" in text
    assert " to " not in text


def row(representation, probe, metric, mean, shots=None, split="random"):
    keys = {"representation": representation, "probe": probe, "shots": shots, "labels": None, "split": split}
    return {**keys, "metric": metric, "mean": mean, "sd": 0.1, "per_seed": [mean]}


QUALITY = {
    "headline": "logistic",
    "seeds": [0],
    "source": {},
    "encoder": {},
    "splits": [],
    "rows": [
        row("pretrained", "logistic", "oa", 0.9, 5),
        row("pretrained", "logistic", "ece", 0.081, 5),
        row("pretrained", "logistic", "ece_scaled", 0.042, 5),
        row("pretrained", "sgd", "oa", 0.8, 5),
        row("pretrained", "sgd", "ece", 0.5, 5),
        row("pretrained", "retrieval", "r_at_1", 0.77),
        row("random", "retrieval", "r_at_1", 0.66),
        row("random", "retrieval", "r_at_1", 0.11, split="block"),
    ],
}


def test_neighbours_stand_before_calibration_of_the_headline_probe():
    lines = [line.split() for line in printed(QUALITY, show=EVERYTHING).splitlines()]
    assert ["ECE", "ECE", "scaled"] in lines
    assert ["R@1", "5", "shots", "5", "shots"] in lines
    assert ["pretrained", "77.0", "8.1", "4.2"] in lines
    assert ["random", "weights", "66.0", "–", "–"] in lines


def test_a_metric_and_a_probe_that_nobody_knows_are_printed_by_their_names():
    rows = [*QUALITY["rows"], row("pretrained", "logistic", "their metric", 0.123, 5)]
    lines = [line.split() for line in printed({**QUALITY, "rows": rows}, show=EVERYTHING).splitlines()]
    assert ["pretrained", "77.0", "8.1", "4.2", "12.3"] in lines
    assert any("their" in line for line in lines)
    theirs = few_shot(probes=("their probe",))
    theirs["rows"].append(row("pretrained", "their probe", "their metric", 0.456, 5))
    text = printed(theirs, show=partial(print_few_shot, all_scores=True))
    assert re.search(r"^pretrained +their probe( +71\.2 ±10\.1){3}$", text, re.MULTILINE)
    assert re.search(r"^pretrained +45\.6$", text, re.MULTILINE)


KEY = {"labels": None, "split": "random", "mean": 0.7123, "sd": 0.1014}
LEAK = {"patch_size": 9, "inside": 0.321, "touching": 0.657}
SPLIT = {"split": "random", "shots": 1, "labels": None, "left_out": ["Oats"], "unknown": [], "leakage": LEAK}
SPLIT |= {"train": 9, "test": 99}


def few_shot(probes=("prototype standardized", "ridge"), shots=(1, 5, 20)):
    rows = [
        {**KEY, "representation": r, "probe": p, "shots": k, "metric": m, "per_seed": [0.7, 0.7]}
        for r in ("pretrained", "random")
        for p in probes
        for k in shots
        for m in ("oa", "aa")
    ]
    rows.append({**rows[0], "representation": "supervised", "probe": "supervised", "per_seed": [0.7]})
    opened = [
        {**KEY, "representation": r, "probe": "energy", "shots": 5, "threshold": None, "metric": m}
        for r in ("pretrained", "random")
        for m in ("auroc", "fpr95 (known positive)", "fpr95 (unknown positive)", "oscr")
    ]
    opened += [
        {**KEY, "representation": r, "probe": "mahalanobis", "shots": 5, "threshold": kind, "metric": m}
        for r in ("pretrained", "random")
        for m, kind in (("oscr", None), ("known_accepted", "quantile"), ("unknown_recall", "quantile"))
    ]
    accuracy = {"mean": 0.5, "sd": 0.1, "ci95": [0.49, 0.51]}
    return {
        "rows": rows,
        "headline": probes[-1],
        "episodes": [
            {"representation": r, "ways": 5, "queries": 15, "episodes": 600, "shots": k}
            | {"accuracy": {"cosine": accuracy, "euclidean": accuracy | {"ci95": None}}}
            for r in ("pretrained", "random")
            for k in (1, 5)
        ],
        "open_set": opened,
        "seeds": [0, 1],
        "source": {"name": "fields"},
        "encoder": {},
        "transductive": True,
        "skipped": [{"what": "fine-tune", "why": "features cannot be trained"}],
        "splits": [SPLIT, {**SPLIT, "shots": 5, "left_out": [], "unknown": ["Corn", "Wheat"]}],
        "fewer_shots": [{"split": "random", "shots": 20, "classes": {"Alfalfa": [9, 11]}}],
        "damaged": ["a.png"],
        "features": [{"file": "f", "note": None}, {"file": "g", "note": "was damaged"}],
    }


def test_every_number_stands_in_its_row():
    text = printed(few_shot(), show=partial(print_few_shot, all_scores=True))
    assert re.search(r"^pretrained +prototype standardized( 71\.2 ±10\.1){3}$", text, re.MULTILINE)
    assert re.search(r"^from scratch +end to end, 1 seed +71\.2 ±10\.1 +– +–$", text, re.MULTILINE)
    assert re.search(r"^pretrained +cosine +50\.0 ±1\.0 +50\.0 ±1\.0$", text, re.MULTILINE)
    assert re.search(r"^ +euclidean +50\.0 +50\.0$", text, re.MULTILINE)
    assert re.search(r"^random, 5 shots +pretrained( +71\.2 ±10\.1){3}$", text, re.MULTILINE)
    assert re.search(r"^ +random weights( +71\.2 ±10\.1){3}$", text, re.MULTILINE)
    assert "energy" not in text  # in the report and the file
    assert "\nunknown classes: Corn and Wheat\n" in text
    assert "\nunknown classes: %, mean ± sd over 2 seeds\nby the score mahalanobis" in text
    told = (
        "Random split, 5 shots: 71.2 % of the known samples accepted, 95 % are meant to be; 71.2 % of the unknown ones"
    )
    assert told in " ".join(text.split())
    assert text.count("inside / touching a training patch: 32 / 66 %") == 1
    for sentence in (
        "Pretraining saw the test samples, without their labels (transductive).",
        "20 shots: fewer training samples of Alfalfa (9 to 11)",
        "split, classes that cannot be shared (with at least one seed): Oats",
        "fine-tune was left out: features cannot be trained",
        "1 damaged image left out: a.png",
        "features/g: was damaged",
    ):
        assert sentence in text
    assert "features/f" not in text


def test_a_representation_is_named_once_and_random_weights_are_called_so():
    text = printed(few_shot(shots=(1, 2, 5, 10, 20)), show=partial(print_few_shot, all_scores=True))  # two tables
    assert len(re.findall(r"^random weights +prototype", text, re.MULTILINE)) == 2
    assert len(re.findall(r"^ +ridge", text, re.MULTILINE)) == 4
    assert not re.search(r"^random  ", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("kind", "inside", "said"),
    [("random", 0.3, False), ("block", 0.0, False), ("map", 0.0, False), ("map", 0.07, True)],
)
def test_given_parts_that_adjoin_are_said_to(kind, inside, said):
    leak = {"inside": inside, "touching": 0.5, "patch_size": 9}
    split = SplitRecord.model_validate({**SPLIT, "split": kind, "leakage": leak, "train": 1, "test": 1})
    careful = (
        f"careful: the parts of the {kind} split adjoin, and 7.0 % of its test pixels lie inside training patches of 9 "
        "pixels, so that this is no accuracy on unseen ground: see the block split"
    )
    assert leakage_note([split])[1:] == [careful] * said
    found = Result.model_validate({"rows": [], "splits": [split.model_dump()], "source": {}, "encoder": {}})
    assert (f"C{careful[1:]}." in dict(how_it_was_judged(found))["Leakage"]) == said


def test_leakage_is_said_for_each_amount_where_it_differs():
    content = few_shot()
    content["splits"] += [{**SPLIT, "shots": 20, "leakage": {"inside": 0.5, "touching": share}} for share in (0.8, 0.9)]
    text = printed(content, width=120, show=partial(print_few_shot, all_scores=True))
    assert "a training patch: 32 / 66 % (1 shot), 50 / 80 to 90 % (20 shots)" in text
