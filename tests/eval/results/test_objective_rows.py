from statistics import fmean, stdev

import pytest
import torch
from scipy.stats import t

from simclr.eval.open_set.evaluate import OpenEntry
from simclr.eval.open_set.objectives import ObjectiveFound
from simclr.eval.results.objective_record import ObjectiveDifference, Objectives
from simclr.eval.results.objective_rows import objectives_record
from simclr.eval.splits.split import Split

SEEDS = range(4)
OSCR = {
    ("frozen", "pretrained"): [0.90, 0.92, 0.88, 0.91],
    ("frozen", "random"): [0.60, 0.65, 0.58, 0.61],
    ("frozen", "raw"): [0.40, 0.41, 0.39, 0.44],
    ("softmax", "pretrained"): [0.85, 0.88, 0.84, 0.86],
    ("softmax", "random"): [0.70, 0.71, 0.69, 0.75],
    ("mdl4ow", "pretrained"): [0.95, 0.91, 0.93, 0.94],
    ("mdl4ow", "random"): [0.65, 0.68, 0.66, 0.61],
}


def found(objective, start, seed, oscr, score="mahalanobis", shots=5):
    own = [OpenEntry("reconstruction", None, {"oscr": oscr, "auroc": 0.7}, {})] if objective == "mdl4ow" else []
    usual = 0.1 if own else oscr
    entries = [
        OpenEntry("ridge", None, {"closed_oa": 0.8, "closed_aa": 0.7}, {}),
        OpenEntry("mahalanobis", None, {"oscr": usual, "auroc": None, "openness": 0.1}, {}),
        OpenEntry("mahalanobis", "quantile", {"open_oa": 0.5, "macro_f1": 0.4}, {"value": 3.0}),
        OpenEntry("mahalanobis", "weibull", {"open_oa": 0.6}, {"value": 3.0}),
        *own,
    ]
    split = Split("random", torch.tensor([0, 1]), torch.tensor([2]), seed=seed, shots=shots)
    chosen = "reconstruction" if own else score
    return ObjectiveFound(objective, start, split, entries, chosen, {"steps": 40, "start": start})


def record():
    every = [found(*what, seed, values[seed]) for what, values in OSCR.items() for seed in SEEDS]
    frozen = [one for one in every if one.objective == "frozen"]
    return objectives_record([one for one in every if one.objective != "frozen"], frozen, "ridge")


def test_rows_hold_every_seed_of_what_is_kept():
    compared = record()
    rows = {(r.objective, r.representation, r.probe, r.threshold, r.metric): r for r in compared.rows}
    row = rows["softmax", "random", "mahalanobis", None, "oscr"]
    assert (row.per_seed, row.seeds) == (tuple(OSCR["softmax", "random"]), tuple(SEEDS))
    assert (row.mean, row.sd) == pytest.approx((fmean(row.per_seed), stdev(row.per_seed)))
    assert (row.shots, row.labels, row.split) == (5, None, "random")
    assert rows["frozen", "raw", "mahalanobis", None, "auroc"].mean is None
    assert rows["softmax", "random", "mahalanobis", "quantile", "open_oa"].mean == 0.5
    assert {r.threshold for r in compared.rows} == {None, "quantile"}
    assert {r.metric for r in compared.rows} == {"closed_oa", "closed_aa", "oscr", "auroc", "open_oa"}
    assert compared.scores == {"frozen": "mahalanobis", "softmax": "mahalanobis", "mdl4ow": "reconstruction"}
    assert compared.settings["softmax"]["random"] == {"steps": 40, "start": "random"}
    assert compared.cross_fitted == 2
    assert Objectives.model_validate(compared.model_dump(mode="json")) == compared


def test_differences_are_paired_by_the_scores_that_stand_for_the_objectives():
    compared = record()
    names = "objective", "representation", "minus_objective", "minus_representation"
    oscr = {tuple(getattr(d, name) for name in names): d for d in compared.differences if d.metric == "oscr"}
    assert set(oscr) == {
        ("frozen", "pretrained", "frozen", "random"),
        ("softmax", "pretrained", "frozen", "pretrained"),
        ("softmax", "pretrained", "softmax", "random"),
        ("softmax", "random", "frozen", "random"),
        ("mdl4ow", "pretrained", "frozen", "pretrained"),
        ("mdl4ow", "pretrained", "softmax", "pretrained"),
        ("mdl4ow", "pretrained", "mdl4ow", "random"),
        ("mdl4ow", "random", "frozen", "random"),
        ("mdl4ow", "random", "softmax", "random"),
    }
    d: ObjectiveDifference = oscr["mdl4ow", "pretrained", "frozen", "pretrained"]
    values = [a - b for a, b in zip(OSCR["mdl4ow", "pretrained"], OSCR["frozen", "pretrained"])]
    assert (d.probe, d.minus_probe) == ("reconstruction", "mahalanobis")
    assert d.per_seed == pytest.approx(values)
    half = t.ppf(0.975, 3) * stdev(values) / 2
    assert d.ci95 == pytest.approx((fmean(values) - half, fmean(values) + half))
    assert {d.metric for d in compared.differences} == {"oscr", "auroc", "open_oa"}  # none of the closed-set probe


def test_without_unknown_classes_the_probe_stands_for_every_objective():
    one = found("triplet", "pretrained", 0, 0.5)
    compared = objectives_record([one._replace(entries=one.entries[:1])], [], "ridge")
    assert (compared.scores, compared.cross_fitted) == ({"triplet": "ridge"}, 0)
    assert [row.metric for row in compared.rows] == ["closed_oa", "closed_aa"]
