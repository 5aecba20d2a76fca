import re

from rich.console import Console

from eval.report.few_shot_table import print_few_shot

KEY = {"labels": None, "split": "random", "mean": 0.7123, "sd": 0.1014}

LEAK = {"patch_size": 9, "inside": 0.321, "touching": 0.657}
SPLIT = {"split": "random", "shots": 1, "labels": None, "left_out": ["Oats"], "unknown": [], "leakage": LEAK}


def result(probes=("prototype standardized", "ridge"), shots=(1, 5, 20)):
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
        {**KEY, "representation": r, "probe": "energy", "shots": 5, "threshold": "weibull", "metric": m, "mean": 0.4321}
        for r in ("pretrained", "random")
        for m in ("open_oa", "known_accuracy", "unknown_recall", "macro_f1", "micro_f1", "mapping_error")
    ]
    opened += [
        {**KEY, "representation": r, "probe": "mahalanobis", "shots": 5, "threshold": "quantile", "metric": m}
        for r in ("pretrained", "random")
        for m in ("open_oa", "mapping_error", "mdl4ow_f1", "evml_open_oa")
    ]
    accuracy = {"mean": 0.5, "sd": 0.1, "ci95": [0.49, 0.51]}
    return {
        "rows": rows,
        "episodes": [
            {"representation": r, "ways": 5, "queries": 15, "episodes": 600, "shots": k}
            | {"accuracy": {"cosine": accuracy, "euclidean": accuracy | {"ci95": None}}}
            for r in ("pretrained", "random")
            for k in (1, 5)
        ],
        "open_set": opened,
        "seeds": [0, 1],
        "source": {"name": "fields"},
        "transductive": True,
        "skipped": [{"what": "fine-tune", "why": "features cannot be trained"}],
        "splits": [SPLIT, {**SPLIT, "shots": 5, "left_out": [], "unknown": ["Corn", "Wheat"]}],
        "fewer_shots": [{"split": "random", "shots": 20, "classes": {"Alfalfa": [9, 11]}}],
        "damaged": ["a.png"],
        "features": [{"file": "f", "note": None}],
    }


def printed(content):
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    print_few_shot(content, console)
    text = console.export_text()
    assert "…" not in text
    return text


def test_every_number_stands_in_its_row():
    text = printed(result())
    assert re.search(r"^pretrained +prototype standardized( 71\.2 ±10\.1){3}$", text, re.MULTILINE)
    assert re.search(r"^from scratch +end to end, 1 seed +71\.2 ±10\.1 +– +–$", text, re.MULTILINE)
    assert re.search(r"^pretrained +cosine +50\.0 ±1\.0 +50\.0 ±1\.0$", text, re.MULTILINE)
    assert re.search(r"^ +euclidean +50\.0 +50\.0$", text, re.MULTILINE)
    assert re.search(r"^random weights +energy( +71\.2 ±10\.1){4}$", text, re.MULTILINE)
    assert re.search(r"^energy +weibull( +43\.2 ±10\.1){5}$", text, re.MULTILINE)
    assert re.search(r"^random weights +mahalanobis( +71\.2 ±10\.1){4}$", text, re.MULTILINE)
    assert "unknown: Corn, Wheat\nrandom split, 5 shots: %, mean ± sd over 2 seeds\ntest pixels inside" in text
    assert text.count("inside / touching a training patch: 32 / 66 %") == 2
    for sentence in (
        "random split: accuracy in %, mean ± sd over 2 seeds\npretraining saw",
        "20 shots: fewer training samples of Alfalfa (9 to 11)",
        "split, classes that cannot be shared (with at least one seed): Oats",
        "fine-tune was left out",
        "Oats",
        "1 damaged images",
    ):
        assert sentence in text


def test_a_representation_is_named_once_and_random_weights_are_called_so():
    text = printed(result(shots=(1, 2, 5, 10, 20)))  # two tables
    assert len(re.findall(r"^random weights +prototype", text, re.MULTILINE)) == 2
    assert len(re.findall(r"^ +ridge", text, re.MULTILINE)) == 4
    assert not re.search(r"^random  ", text, re.MULTILINE)
