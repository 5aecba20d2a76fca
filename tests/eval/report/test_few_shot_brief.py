from simclr.eval.report.few_shot_brief import brief_grids, brief_words
from simclr.eval.report.summary import print_few_shot
from tests.eval.report.test_few_shot_words import OSCRS, ROW, result
from tests.eval.report.test_summary import few_shot, printed
from tests.eval.results.test_objective_rows import OSCR, record


def test_one_screen_holds_the_score_and_the_threshold_of_the_map_alone():
    kinds = [("mahalanobis", None, "auroc"), ("kNN", None, "auroc"), ("mahalanobis", "quantile", "open_oa")]
    rows = [
        {**ROW, "representation": name, "probe": probe, "threshold": cut, "metric": metric, "mean": mean}
        for name, mean in (("pretrained", 0.9), ("raw", 0.5))
        for probe, cut, metric in [*kinds, ("mahalanobis", "weibull", "open_oa"), ("mahalanobis", None, "fpr95")]
    ]
    unknown, trained = brief_grids(result(open_set=rows, objectives=record().model_dump(mode="json")))
    assert unknown.columns == (("AUROC",), ("open OA",))
    assert [row.names for row in unknown.rows] == [("block, 5 shots", "pretrained"), ("block, 5 shots", "raw input")]
    assert trained.columns == (("random", "5 shots"),)
    cells = {row.names: row.cells[0].mean for row in trained.rows}
    assert cells["softmax", "pretrained"] == sum(OSCR["softmax", "pretrained"]) / 4


def test_one_screen_begins_with_what_it_comes_to_and_says_nothing_twice():
    content = few_shot(shots=(1, 5, 20))
    text = printed(content, show=print_few_shot)
    assert text.startswith("Random split, 5 shots: 71.2 ± 10.1 % OA.\n")
    lines = [line for line in text.splitlines() if line]
    assert len(text.splitlines()) <= 50
    assert len(set(lines)) == len(lines)
    told = " ".join(text.split())
    assert "cosine 50.0 (1-shot) and 50.0 (5-shot)" in told
    assert told.count("of the known samples accepted") == 1


def test_kinds_of_split_with_fewer_labels_are_named_where_they_do_not_do_well():
    few, many = ({**ROW, "shots": k, "metric": "oscr"} for k in (5, 20))
    rows = [
        {**row, "representation": name, "mean": sum(values) / 3, "per_seed": values}
        for row in (few, many)
        for name, values in OSCRS.items()
    ]
    decided = {"threshold": "quantile", "representation": "pretrained", "metric": "known_accepted"}
    rows += [{**row, **decided, "mean": x, "per_seed": [x] * 3} for row, x in ((few, 0.1), (many, 0.95))]
    splits = [{"split": "block", "shots": k, "train": k, "test": 9, "unknown": ["a"]} for k in (5, 20)]
    first, second, third = brief_words(result(open_set=rows, splits=splits))
    assert first == "unknown classes: a"
    assert second.startswith("Block split, 20 shots, unknown classes: OSCR 51.0 ± 1.0 %")
    assert second.endswith("95.0 % of the known samples accepted, 95 % are meant to be.")
    assert third.startswith("Block split, 5 shots: The threshold does not hold here. Worse than raw input in OSCR")
