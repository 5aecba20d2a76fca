from rich.console import Console

from eval.table import paired_lines, print_result

MEAN = {"mean": 0.625, "sd": 0.0213}


def result(shots=(5, 20), metrics=("oa", "aa", "kappa"), probes=("ridge", "logistic")):
    rows = [
        {"representation": r, "probe": p, "shots": k, "labels": None, "split": "random", "metric": m, **MEAN}
        for r in ("pretrained", "random", "raw")
        for p in probes
        for k in shots
        for m in metrics
    ]
    difference = {"difference": "pretrained - random", "mean": 0.0312, "ci95": [-0.004, 0.0664]}
    return {
        "rows": rows,
        "paired": [
            {**difference, "probe": p, "shots": k, "labels": None, "split": "random", "metric": metrics[0]}
            for p in probes
            for k in shots
        ],
        "headline": "logistic",
        "seeds": [0, 1, 2, 3, 4],
        "source": {"name": "indian-pines"},
        "skipped": [],
        "splits": [{"split": "random", "left_out": ["Oats"]}],
    }


def printed(content):
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    print_result(content, console)
    return console.export_text()


def test_two_numbers_of_shots_fit_on_a_terminal_of_80_columns():
    text = printed(result())
    (line,) = [line for line in text.splitlines() if line.strip().startswith("pretrained  ")]
    assert line.count("62.5 ±2.1") == 6
    assert "Oats" in text
    assert "ridge" not in text


def test_a_single_column_shows_every_probe():
    text = printed(result(shots=(None,), metrics=("accuracy",)))
    assert "ridge" in text
    assert "logistic" in text


def test_the_paired_line_is_in_points():
    assert paired_lines(result())[0] == ("pretrained − random, OA at 5 shots: +3.1 points (95 % interval -0.4 to +6.6)")
