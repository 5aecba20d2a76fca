from simclr.eval.report.few_shot_grids import (
    decision_grid,
    episode_grids,
    mapped_grid,
    open_grid,
    open_kinds,
    rank_grid,
)
from simclr.eval.report.html import cell_text
from simclr.eval.results.record import Result

KEY = {"representation": "pretrained", "shots": 5, "labels": None, "split": "random", "mean": 0.7, "sd": None}


def few_shot(**found):
    return Result.model_validate({"rows": [], "splits": [], "source": {}, "encoder": {}, **found})


def texts(grid):
    return [[*row.names, *map(cell_text, row.cells)] for row in grid.rows]


def test_random_and_block_splits_with_unknown_classes_stand_in_tables_of_their_own():
    row = {"representation": "pretrained", "probe": "energy", "threshold": None, "metric": "auroc", "sd": 0.01}
    rows = [
        {**row, "split": split, "shots": shots, "labels": None, "mean": mean}
        for split, shots, mean in (("random", 5, 0.91), ("random", 20, 0.92), ("block", 5, 0.73), ("block", 20, 0.74))
    ]
    result = few_shot(open_set=rows)
    kinds = open_kinds(result)
    assert len(kinds) == 4
    for kind, r in zip(kinds, rows):
        grid = rank_grid(result, kind)
        assert f"{r['split']} split, {r['shots']} shots" in grid.caption
        assert texts(grid) == [["pretrained", "energy", f"{100 * r['mean']:.1f} ± 1.0"]]
        assert decision_grid(result, kind) is None


def test_scores_decisions_and_what_the_map_shows_are_three_tables():
    energy = {**KEY, "probe": "energy", "threshold": None}
    mapped = {**KEY, "probe": "mahalanobis", "threshold": "quantile"}
    result = few_shot(
        open_set=[
            *({**energy, "metric": m} for m in ("auroc", "closed_oa", "openness", "their metric")),
            *({**mapped, "metric": m} for m in ("open_oa", "macro_f1", "mapping_error", "mdl4ow_f1", "their metric")),
            {**mapped, "representation": "random", "metric": "open_oa", "mean": 0.2},
        ]
    )
    (kind,) = open_kinds(result)
    ranks, decisions = rank_grid(result, kind), decision_grid(result, kind)
    assert ranks.columns == (("AUROC",), ("closed OA",), ("their metric",))
    assert ranks.notes == ("openness 70.0 %", "scores, no threshold")
    assert decisions.columns == (("open OA",), ("macro F1",), ("mapping error",), ("their metric",))
    assert texts(decisions) == [["mahalanobis", "quantile", *["70.0"] * 4]]
    assert mapped_grid(result, kind).columns == (("open OA",), ("mapping error",), ("MDL4OW F1",))
    assert texts(mapped_grid(result, kind))[1] == ["random weights", "mahalanobis", "20.0", "–", "–"]


def test_episodes_of_other_ways_are_another_table():
    episode = {"representation": "pretrained", "shots": 1, "queries": 15, "episodes": 600}
    accuracy = {"cosine": {"mean": 0.5, "sd": 0.1, "ci95": [0.49, 0.51]}}
    episodes = [{**episode, "ways": ways, "accuracy": accuracy} for ways in (5, 10)]
    five, ten = episode_grids(few_shot(episodes=episodes))
    assert five.caption.startswith("5-way episodes")
    assert ten.caption.startswith("10-way episodes")
    assert texts(ten) == [["pretrained", "cosine", "50.0 ± 1.0"]]
    assert ten.columns == (("1-shot",),)


def test_classes_that_episodes_do_without_are_named():
    accuracy = {"cosine": {"mean": 0.5, "sd": 0.1, "ci95": [0.49, 0.51]}}
    episode = {"representation": "pretrained", "ways": 5, "queries": 15, "episodes": 600, "accuracy": accuracy}
    episodes = [{**episode, "shots": 1, "left_out": []}, {**episode, "shots": 20, "left_out": ["Oats", "Corn"]}]
    (table,) = episode_grids(few_shot(episodes=episodes))
    assert table.notes == ("20-shot episodes without Oats, Corn: too few samples",)


def test_decisions_say_how_their_thresholds_were_found():
    rows = [{**KEY, "probe": "energy", "threshold": "quantile", "metric": "open_oa"}]
    how = {"rejected": 0.05, "tail": 0.5, "fitted_on": "training samples held out"}
    found = few_shot(open_set=rows, thresholds=how)
    (kind,) = open_kinds(found)
    told = "thresholds: 5 % of known samples rejected (the Weibull tail fitted to the last 50 %), on training samples"
    assert told in decision_grid(found, kind).notes[1]
    assert len(decision_grid(few_shot(open_set=rows), kind).notes) == 1
    found = few_shot(
        open_set=rows, thresholds={**how, "left_out": {"block": "areas (8 to 12 of them): they lie apart"}}
    )
    assert decision_grid(found, kind).notes[2] == "block split: left out were areas (8 to 12 of them): they lie apart"


def test_one_table_holds_what_stands_for_unknown_classes_on_every_split():
    metrics = {
        "auroc": None,
        "oscr": None,
        "known_accepted": "quantile",
        "unknown_recall": "quantile",
        "macro_f1": "quantile",
    }
    rows = [
        {**KEY, "probe": probe, "split": split, "representation": r, "metric": metric, "threshold": kind, "sd": 0.02}
        for split in ("random", "block")
        for r in ("pretrained", "raw")
        for probe in ("mahalanobis", "knn")
        for metric, kind in metrics.items()
    ]
    rows += [{**row, "threshold": "gap", "mean": 0.1} for row in rows if row["threshold"]]
    grid = open_grid(few_shot(open_set=rows))
    assert grid.columns == (("AUROC",), ("OSCR",), ("known accepted",), ("unknown rejected",))
    values = ["70.0", *["70.0 ± 2.0"] * 3]
    names = [("random, 5 shots", "pretrained"), ("random, 5 shots", "raw input")]
    names += [("block, 5 shots", "pretrained"), ("block, 5 shots", "raw input")]
    assert texts(grid) == [[*name, *values] for name in names]
