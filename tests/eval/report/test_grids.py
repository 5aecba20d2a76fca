from simclr.eval.report.grids import Entry, GridRow, Percent, grid


def test_rows_and_columns_come_in_the_order_of_the_entries_and_gaps_stay_empty():
    found = grid(
        "of it",
        [
            Entry(("b", "x"), ("OA", ""), Percent(0.5)),
            Entry(("a", "x"), ("AA", "5 shots"), Percent(0.6), ours=True),
            Entry(("b", "x"), ("AA", "5 shots"), Percent(0.7)),
        ],
        left=("", "probe"),
        notes=["a note"],
    )
    assert found is not None
    assert found.columns == (("OA",), ("AA", "5 shots"))
    assert found.rows == (
        GridRow(("b", "x"), (Percent(0.5), Percent(0.7))),
        GridRow(("a", "x"), (None, Percent(0.6)), ours=True),
    )
    assert (found.caption, found.left, found.notes) == ("of it", ("", "probe"), ("a note",))


def test_without_an_entry_there_is_no_table():
    assert grid("of it", iter(())) is None


def test_two_values_for_one_cell_are_both_shown():
    found = grid("of it", [Entry(("a",), ("x",), "1"), Entry(("a",), ("x",), "2"), Entry(("a",), ("y",), "3")])
    assert [(row.names, row.cells) for row in found.rows] == [(("a",), ("1", "3")), (("a",), ("2", None))]
