from simclr.eval.report.class_grids import chosen_grid, recall_grid, split_hashes
from simclr.eval.report.html import cell_text
from simclr.eval.results.record import Result

KEY = {"split": "random", "shots": 5, "labels": None}


def result(**found):
    source = {"classes": {"oats": 20, "corn": 1428, "woods": 7}}
    return Result.model_validate({"rows": [], "splits": [], "source": source, "encoder": {}, **found})


def test_recall_is_of_the_outcome_s_splits_and_of_classes_that_were_tested():
    recall = [
        {**KEY, "representation": "pretrained", "probe": "logistic", "recall": {"oats": 0.5, "corn": 0.25}},
        {**KEY, "representation": "random", "probe": "logistic", "recall": {"oats": 0.1}},
        {**KEY, "shots": 20, "representation": "pretrained", "probe": "logistic", "recall": {"woods": 1.0}},
    ]
    outcome = {**KEY, "representation": "pretrained", "probe": "logistic", "counts": None, "correct": []}
    found = result(per_class=recall, outcomes=[outcome])
    grid = recall_grid(found, found.outcomes[0])
    assert grid.left == ("class",)
    assert grid.columns == (("samples",), ("pretrained",), ("random weights",))
    texts = [[*row.names, *map(cell_text, row.cells)] for row in grid.rows]
    assert texts == [["1 oats", "20", "50.0", "10.0"], ["2 corn", "1,428", "25.0", "–"]]
    assert recall_grid(result(), found.outcomes[0]) is None


def test_a_kind_of_split_is_one_row_with_all_its_seeds():
    split = {**KEY, "train": 1015, "test": 70}
    splits = [
        {**split, "sha256_train": "0123456789", "sha256_test": "abcdefghij"},
        {**split, "sha256_train": "9876543210", "sha256_test": None, "train": 900},
        {**split, "shots": None, "sha256_train": "x", "sha256_test": "y"},
    ]
    grid = split_hashes(result(splits=splits))
    assert [row.names for row in grid.rows] == [("random, 5 shots", "01234567/abcdefgh  98765432/"), ("random", "x/y")]
    assert [row.cells for row in grid.rows] == [("900 to 1,015", "70"), ("1,015", "70")]
    assert split_hashes(result()) is None


def test_what_was_chosen_is_told_as_a_range_over_the_seeds():
    row = {**KEY, "representation": "pretrained", "metric": "oa", "mean": 0.5, "sd": None}
    chosen = [{"alpha": 0.01, "selected_on": "x"}, {"alpha": 100.0, "selected_on": "x"}]
    rows = [
        {**row, "probe": "ridge", "selected": chosen},
        {**row, "probe": "ridge", "metric": "aa", "selected": chosen},
        {**row, "probe": "ridge", "representation": "raw", "selected": [{"alpha": 7.0}]},
        {**row, "probe": "knn", "selected": [{"k": 20}, {"k": 20}]},
    ]
    grid = chosen_grid(result(rows=rows))
    assert grid.columns == (("alpha",), ("k",))
    assert [[*row.names, *map(cell_text, row.cells)] for row in grid.rows] == [
        ["ridge", "random split, 5 shots", "0.01 to 100", "–"],
        ["kNN", "random split, 5 shots", "–", "20"],
    ]
    assert chosen_grid(result()) is None
