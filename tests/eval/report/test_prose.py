from simclr.eval.report.material import HealthLine
from simclr.eval.report.prose import about_health, damaged_text, fewer_shots_lines, findings, how_it_was_judged
from simclr.eval.results.record import FewerShots, Result


def test_classes_that_give_fewer_samples_are_named_with_their_numbers():
    entries = [
        FewerShots(split="block", shots=5, classes={"Oats": (1, 1), "Corn": (2, 4)}),
        FewerShots(split="random", shots=20, classes={"Oats": (9, 9)}),
    ]
    assert fewer_shots_lines(entries) == [
        "block split, 5 shots: fewer training samples of Oats (1) and Corn (2 to 4)",
        "random split, 20 shots: fewer training samples of Oats (9)",
    ]
    many = FewerShots(split="random", shots=20, classes={f"{i}": (10, 10) for i in range(50)})
    assert fewer_shots_lines([many])[0].endswith("6 (10), 7 (10) and 42 more")
    assert fewer_shots_lines([]) == []


def test_what_was_left_out_is_said():
    content = {"rows": [], "splits": [], "source": {}, "encoder": {}}
    skipped = [{"probe": "knn", "why": "too few samples"}, {"what": "unknown classes", "why": "1 shot"}]
    result = Result.model_validate(content | {"damaged": list("abcdefg"), "skipped": skipped})
    assert damaged_text(result) == "7 damaged images left out: a, b, c, d, e"
    said = how_it_was_judged(result)
    assert ("Left out", "kNN: too few samples.") in said
    assert ("Left out", "unknown classes: 1 shot.") in said
    assert damaged_text(Result.model_validate(content)) == ""
    assert "Damaged" not in [heading for heading, _ in how_it_was_judged(Result.model_validate(content))]


def test_the_time_of_a_resumed_run_is_that_of_its_parts():
    seconds = [300.0, None, 600.0, 30.0, 60.0]
    lines = [HealthLine(step=i, loss=1.0, seconds=s) for i, s in enumerate(seconds)]
    assert about_health(lines).startswith("5 steps, 11.0 minutes.")
    assert about_health(lines[:1]).startswith("1 steps, 5.0 minutes.")
    assert about_health([HealthLine(step=0, loss=1.0)]).startswith("1 steps. ")


def test_leakage_with_and_without_unknown_classes_is_told_apart():
    split = {"split": "random", "shots": 5, "labels": None, "train": 5, "test": 8, "left_out": []}
    leaks = [{"patch_size": 9, "inside": share, "touching": 2 * share} for share in (0.1, 0.2, 0.4)]
    splits = [{**split, "leakage": leak, "unknown": ["oats"] * (i == 2)} for i, leak in enumerate(leaks)]
    found = Result.model_validate({"rows": [], "splits": splits, "source": {}, "encoder": {}})
    assert dict(how_it_was_judged(found))["Leakage"].endswith(
        "random split: 10 to 20 / 20 to 40 %; random split with unknown classes: 40 / 80 %."
    )


def test_the_most_labels_are_those_of_the_largest_training_part():
    row = {"representation": "pretrained", "probe": "ridge", "split": "given", "metric": "oa", "sd": None}
    rows = [{**row, "shots": 5, "mean": 0.4}, {**row, "shots": None, "labels": 0.5, "mean": 0.9}]
    splits = [
        {"split": "given", "shots": shots, "labels": share, "train": train, "test": 8}
        for shots, share, train in ((5, None, 15), (None, 0.5, 90))
    ]
    content = {"rows": rows, "splits": splits, "source": {}, "encoder": {}, "headline": "ridge"}
    assert findings(Result.model_validate(content)) == ["Given split, 50 % of the labels: 90.0 % OA."]
