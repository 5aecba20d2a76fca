from simclr.eval.open_set.scores import SCORE
from simclr.eval.results.chosen import FEW, choose
from tests.eval.results.test_compare import FIRST, OTHER, against, result


def with_rows(values, more):
    content = result("a", values)
    content["rows"] = [row for row in content["rows"] if row["representation"] == "pretrained"]
    content["rows"] += [{**content["rows"][0], **row} for row in more]
    return content


def test_of_unknown_classes_one_score_and_threshold_are_shown_unless_others_are_asked_for():
    rows = [("auroc", SCORE, None), ("oscr", SCORE, None), ("oscr", "knn", None), ("oscr", "energy", None)]
    rows += [("open_oa", SCORE, "quantile"), ("open_oa", SCORE, "gap"), ("open_oa", "knn", "quantile")]
    contents = [with_rows(values, []) for values in (FIRST, OTHER)]
    for content in contents:
        (known,) = content["rows"]
        content["open_set"] = [{**known, "metric": m, "probe": p, "threshold": t} for m, p, t in rows]
    found = against(*contents)
    assert len(found.rows) == 1 + len(rows)
    told = [(row.metric, row.probe, row.threshold) for row in choose(found, metric="oscr,open_oa")]
    assert told == [("oscr", SCORE, None), ("open_oa", SCORE, "quantile")]
    assert [row.probe for row in choose(found, metric="oscr", probe="knn,energy")] == ["knn", "energy"]
    assert [row.metric for row in choose(found)] == ["oa"]


def test_of_many_accuracies_the_overall_ones_are_shown():
    places = [{"metric": metric, "shots": shots} for shots in range(1, FEW) for metric in ("oa", "aa", "kappa")]
    contents = [with_rows(values, [place for place in places if place["shots"] != 5]) for values in (FIRST, OTHER)]
    for content in contents:
        content["splits"] = [{**s, "shots": k} for k in range(1, FEW) for s in content["splits"]]
        for i, split in enumerate(content["splits"]):
            content["splits"][i] = {**split, "sha256_train": f"{split['sha256_train']} {split['shots']}"}
    found = against(*contents)
    assert {row.metric for row in choose(found)} == {"oa"}
    assert {row.metric for row in choose(found, metric="aa")} == {"aa"}
