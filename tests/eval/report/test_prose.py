from eval.report.prose import damaged_text, fewer_shots_lines, how_it_was_judged
from eval.results.record import FewerShots, Result


def test_classes_that_give_fewer_samples_are_named_with_their_numbers():
    entries = [
        FewerShots(split="block", shots=5, classes={"Oats": (1, 1), "Corn": (2, 4)}),
        FewerShots(split="random", shots=20, classes={"Oats": (9, 9)}),
    ]
    assert fewer_shots_lines(entries) == [
        "block split, 5 shots: fewer training samples of Oats (1), Corn (2 to 4)",
        "random split, 20 shots: fewer training samples of Oats (9)",
    ]
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
