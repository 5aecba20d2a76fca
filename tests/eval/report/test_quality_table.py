from rich.console import Console

from eval.report.quality_table import print_quality, quality_table


def row(representation, probe, metric, mean, shots=None, split="random"):
    keys = {"representation": representation, "probe": probe, "shots": shots, "labels": None, "split": split}
    return {**keys, "metric": metric, "mean": mean, "sd": 0.1, "per_seed": [mean]}


RESULT = {
    "headline": "logistic",
    "rows": [
        row("pretrained", "logistic", "oa", 0.9, 5),
        row("pretrained", "logistic", "ece", 0.081, 5),
        row("pretrained", "logistic", "ece_scaled", 0.042, 5),
        row("pretrained", "sgd", "ece", 0.5, 5),
        row("pretrained", "retrieval", "r_at_1", 0.77),
        row("random", "retrieval", "r_at_1", 0.66),
        row("random", "retrieval", "r_at_1", 0.11, split="block"),
    ],
}


def test_neighbours_stand_before_calibration_of_the_headline_probe(capsys):
    print_quality(RESULT, Console(width=80))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["ECE", "ECE", "scaled"] in lines
    assert ["R@1", "5", "shots", "5", "shots"] in lines
    assert ["pretrained", "77.0", "8.1", "4.2"] in lines
    assert ["random", "weights", "66.0"] in lines


def test_without_such_rows_nothing_is_printed():
    assert quality_table({**RESULT, "rows": RESULT["rows"][:1]}) is None
