from simclr.eval.report.html import cell_text
from simclr.eval.report.linear_grids import accuracy_grid, difference_grid, probe_grid, quality_grid, split_grids
from simclr.eval.results.record import Result

KEY = {"split": "random", "shots": 5, "labels": None}


def row(representation, probe, metric, mean, sd=None, **key):
    return {**KEY, "representation": representation, "probe": probe, "metric": metric, "mean": mean, "sd": sd, **key}


def result(*rows, **more):
    rows = [{"per_seed": [r["mean"]] * 3, **r} for r in rows]
    content = {"rows": rows, "splits": [], "source": {}, "encoder": {}, "headline": "logistic", "seeds": [0, 1, 2]}
    return Result.model_validate(content | more)


def texts(grid):
    return [[*row.names, *map(cell_text, row.cells)] for row in grid.rows]


ROWS = [
    row(representation, probe, "oa", mean)
    for representation, values in (("pretrained", (0.9, 0.8)), ("random", (0.5, 0.4)))
    for probe, mean in zip(("logistic", "knn"), values)
]
SCRATCH = row("supervised", "supervised", "oa", 0.7, per_seed=[0.7])


def test_a_single_accuracy_has_room_for_every_probe_and_two_for_the_headline():
    one = result(*ROWS, SCRATCH)
    grid = accuracy_grid(one, "random")
    assert grid.columns == (("logistic", "OA", "5 shots"), ("kNN", "OA", "5 shots"))
    assert texts(grid) == [
        ["pretrained", "90.0", "80.0"],
        ["random weights", "50.0", "40.0"],
        ["from scratch", "70.0", "–"],
    ]
    assert [table.caption for table in split_grids(one, "random")] == ["random split: %, mean ± sd over 3 seeds"]
    two = result(*ROWS, SCRATCH, *(r | {"metric": "aa"} for r in (*ROWS, SCRATCH)))
    assert accuracy_grid(two, "random").columns == (("OA", "5 shots"), ("AA", "5 shots"))
    assert len(split_grids(two, "random")) == 2


def test_probes_stand_below_each_other_and_fewer_seeds_are_said():
    grid = probe_grid(result(*ROWS, SCRATCH), "random")
    assert texts(grid) == [
        ["pretrained", "logistic", "90.0"],
        ["pretrained", "kNN", "80.0"],
        ["random weights", "logistic", "50.0"],
        ["random weights", "kNN", "40.0"],
        ["from scratch", "end to end, 1 seed", "70.0"],
    ]
    assert [row.ours for row in grid.rows] == [True, True, False, False, False]


def test_differences_of_two_seeds_have_no_interval():
    key = {"probe": "logistic", "metric": "oa", "labels": None, "mean": 0.1234, "ci95": None, "per_seed": [0.1, 0.1468]}
    kinds = [(split, shots) for split in ("random", "block") for shots in (5, 20)]
    paired = [{"difference": "pretrained - random", **key, "split": split, "shots": shots} for split, shots in kinds]
    grid = difference_grid(result(paired=paired))
    assert texts(grid) == [["random weights"] + ["+12.3 (n = 2)"] * 4]
    assert grid.columns[1] == ("random split", "20 shots")
    assert grid.notes == ("no interval where n, the number of seeds, is below 3",)
    assert "95 %" not in grid.caption
    some = result(paired=[paired[0] | {"ci95": [-0.05, 0.3]}, paired[1]])
    assert texts(difference_grid(some)) == [["random weights", "+12.3 [−5.0, +30.0]", "+12.3 (n = 2)"]]
    assert "95 % interval" in difference_grid(some).caption


def test_neighbours_clusters_and_calibration_are_a_table():
    assert quality_grid(result(*ROWS), "random") is None
    quality = [
        row("random", "logistic", "ece", 0.4321),
        row("random", "knn", "ece", 0.9),
        row("random", "retrieval", "r_at_1", 0.4321, 0.01),
    ]
    grid = quality_grid(result(*ROWS, *quality), "random")
    assert grid.columns == (("R@1", "5 shots"), ("ECE", "5 shots"))
    assert texts(grid) == [["random weights", "43.2 ± 1.0", "43.2"]]
    assert "neighbours" in grid.caption
    assert "calibration of the logistic probe" in grid.caption
    assert texts(quality_grid(result(*ROWS, *quality), "random", spread=False)) == [["random weights", "43.2", "43.2"]]
    assert "neighbours" not in quality_grid(result(*ROWS, *quality[:2]), "random").caption


def test_what_nobody_knows_has_a_place_under_its_own_name():
    theirs = [
        row("theirs", "their probe", "oa", 0.3),
        row("pretrained", "logistic", "their metric", 0.2),
        row("pretrained", "their look", "their other metric", 0.1, shots=None),
    ]
    found = result(*ROWS, *theirs)
    assert ["theirs", "their probe", "30.0"] in texts(probe_grid(found, "random"))
    grid = quality_grid(found, "random")
    assert grid.columns == (("their other metric",), ("their metric", "5 shots"))
    assert texts(grid) == [["pretrained", "10.0", "20.0"]]
    assert grid.caption.endswith("their other metric and their metric")


def test_samples_that_are_in_no_part_are_told_with_their_reason():
    split = {**KEY, "train": 5, "test": 8}
    splits = [
        {**split, "dropped": {"within the buffer": 1200, "excluded": 3, "of classes left out": 0}},
        {**split, "dropped": {"within the buffer": 900}},
    ]
    grid = accuracy_grid(result(*ROWS, splits=splits), "random")
    assert "random split, samples in no part: 900 to 1,200 within the buffer, 0 to 3 excluded" in grid.notes


def test_a_table_of_single_fits_does_not_speak_of_seeds():
    single = [{**r, "per_seed": [r["mean"]], "seeds": [None]} for r in ROWS if r["representation"] == "pretrained"]
    assert accuracy_grid(result(*single), "random").caption.endswith("%, single fits")
    several = [{**r, "seeds": [0, 1, 2]} for r in ROWS if r["representation"] == "random"]
    caption = accuracy_grid(result(*single, *several), "random").caption
    assert caption.endswith("%, single fits; mean ± sd over 3 seeds where ± stands")
    assert accuracy_grid(result(*several), "random").caption.endswith("%, mean ± sd over 3 seeds")
