from simclr.eval.report.few_shot_brief import brief_grids
from tests.eval.report.test_few_shot_words import ROW, result
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
