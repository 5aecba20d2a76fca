from eval.report.grids import open_grid


def test_random_and_block_splits_with_unknown_classes_stand_in_tables_of_their_own():
    row = {"representation": "pretrained", "probe": "energy", "threshold": None, "metric": "auroc", "sd": 0.01}
    rows = [
        {**row, "split": split, "shots": shots, "labels": None, "mean": mean}
        for split, shots, mean in (("random", 5, 0.91), ("random", 20, 0.92), ("block", 5, 0.73), ("block", 20, 0.74))
    ]
    grids = open_grid({"open_set": rows})
    assert len(grids) == 4
    for grid, r in zip(grids, rows):
        assert f"{r['split']} split, {r['shots']} shots" in grid.caption
        assert grid.rows == [["pretrained", "energy", f"{100 * r['mean']:.1f} ± 1.0"]]
