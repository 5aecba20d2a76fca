import re

import pytest

from simclr.eval.report.linear_brief import accuracy_briefs, difference_brief, fewer_shots_brief
from simclr.eval.report.prose import worse_elsewhere
from simclr.eval.report.summary import print_result
from simclr.eval.results.record import FewerShots, Result
from simclr.eval.results.words import some_of
from tests.eval.report.test_summary import SPLIT, linear, printed


@pytest.mark.parametrize("splits", [("random",), ("random", "block"), ("random", "block", "map")])
def test_one_screen_begins_with_what_it_comes_to(splits):
    content = linear(splits=splits, shots=(1, 5, 20))
    content["splits"] = [{**SPLIT, "split": split, "shots": k} for split in splits for k in (1, 5, 20)]
    content["fewer_shots"] = [{"split": "random", "shots": 20, "classes": {f"class {i}": [1, 2] for i in range(60)}}]
    text = printed(content, show=print_result)
    assert text.startswith("Random split, 20 shots: 62.5 ± 2.5 % OA")
    assert len(text.splitlines()) <= 50
    assert text.rstrip().endswith("--all-scores, or simclr report.")


def test_every_split_and_amount_has_a_column_of_one_table_and_training_end_to_end_a_row():
    content = linear(splits=("random", "block"), probes=("logistic",))
    tuned = {"representation": "pretrained", "probe": "fine-tune", "per_seed": [0.7]}
    content["rows"].append({**content["rows"][0], **tuned, "mean": 0.7})
    (table,) = accuracy_briefs(Result.model_validate(content))
    assert table.columns == tuple((f"{kind} split", f"{k} shots") for kind in ("random", "block") for k in (5, 20))
    names = [row.names[0] for row in table.rows]
    assert names == ["pretrained", "random weights", "raw input", "from scratch", "pretrained, end to end, 1 seed"]
    assert [cell.mean for cell in table.rows[0].cells] == [0.625] * 4
    differences = difference_brief(Result.model_validate(content))
    assert differences is not None
    assert differences.columns == (("random split", "20 shots"), ("block split", "20 shots"))


def test_what_is_worse_than_a_baseline_is_said_wherever_it_is():
    content = linear(splits=("random", "block"))
    for d in content["paired"]:
        worse = (d["split"], d["shots"]) == ("block", 5) and d["difference"].endswith("raw")
        d |= {"mean": -0.03, "ci95": [-0.05, -0.01]} if worse else {"mean": 0.02, "ci95": [0.01, 0.03]}
    (text,) = worse_elsewhere(Result.model_validate(content))
    assert text == "Worse than a baseline, too: block split, 5 shots (raw input, −3.0 points)."
    unclear = [d | {"ci95": [-0.05, 0.01]} for d in content["paired"]]
    assert worse_elsewhere(Result.model_validate({**content, "paired": unclear})) == []
    (text,) = worse_elsewhere(
        Result.model_validate({**content, "paired": [d | {"ci95": None} for d in content["paired"]]})
    )
    assert re.search(r"\(raw input, −3.0 points, n = 3: no interval\)", text)


def test_of_many_names_some_are_said():
    assert some_of(list("ab")) == "a and b"
    assert some_of([str(i) for i in range(50)]) == "0, 1, 2, 3, 4, 5, 6, 7 and 42 more"
    entry = FewerShots(split="random", shots=5, classes={str(i): (1, 1) for i in range(50)})
    assert fewer_shots_brief([entry, entry])[0].endswith("of 0, 1, 2, 3, 4, 5, 6, 7 and 42 more")
