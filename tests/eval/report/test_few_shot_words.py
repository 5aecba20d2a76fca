from simclr.eval.metrics.statistics import interval
from simclr.eval.report.few_shot_words import few_shot_findings, objective_findings
from simclr.eval.results.record import Result
from simclr.eval.results.words import interval_points, points
from tests.eval.results.test_objective_rows import OSCR, SEEDS, record

ROW = {"probe": "mahalanobis", "shots": 5, "split": "block", "seeds": [0, 1, 2], "sd": 0.01}
OSCRS = {"pretrained": [0.5, 0.52, 0.51], "random": [0.3, 0.3, 0.3], "raw": [0.6, 0.61, 0.62]}


def result(**more):
    return Result.model_validate({"rows": [], "splits": [], "source": {}, "encoder": {}, "seeds": list(SEEDS), **more})


def changed(mean, ci95):
    """Of every objective from the encoder this difference to what is frozen."""
    found = record()
    differences = [
        d.model_copy(update={"mean": mean, "ci95": ci95}) if d.minus_objective == "frozen" else d
        for d in found.differences
    ]
    return objective_findings(found.model_copy(update={"differences": tuple(differences)}))


def test_whether_an_objective_beats_frozen_features_is_said_with_its_interval():
    compared = record()
    line = objective_findings(compared)[0]
    assert line.startswith("Does an objective beat frozen features? Random split, 5 shots, OSCR in points (95 %")
    trained, frozen = OSCR["softmax", "pretrained"], OSCR["frozen", "pretrained"]
    values = [a - b for a, b in zip(trained, frozen)]
    assert f"softmax {points(sum(values) / len(values))} ({interval_points(interval(values))})" in line
    assert ": yes, " in changed(0.02, (0.01, 0.03))[0]
    assert ": no; worse: " in changed(-0.02, (-0.03, -0.01))[0]
    assert ": no; no clear difference: " in changed(0.02, (-0.01, 0.05))[0]
    assert "3 or more give an interval" in changed(0.02, None)[0]


def test_a_baseline_that_is_better_with_unknown_classes_is_said_to_be():
    rows = [
        {**ROW, "representation": name, "metric": "oscr", "mean": sum(values) / 3, "per_seed": values}
        for name, values in OSCRS.items()
    ]
    (line,) = few_shot_findings(result(open_set=rows))
    assert line.startswith("Block split, 5 shots, unknown classes: OSCR 51.0 ± 1.0 % by the score mahalanobis, worse")
    assert "than the best baseline, raw input (−10.0 points, 95 % interval " in line
