from simclr.eval.report.grids import Percent, Points
from simclr.eval.report.objective_grids import objective_grids, objectives_note
from simclr.eval.results.record import Result
from tests.eval.results.test_objective_rows import OSCR, SEEDS, record


def result(**more):
    return Result.model_validate({"rows": [], "splits": [], "source": {}, "encoder": {}, "seeds": list(SEEDS), **more})


def test_what_was_trained_longer_or_has_seen_more_is_named():
    compared = record()
    of = {"softmax": {"random": {"steps": 40}}, "mdl4ow": {"random": {"steps": 200}}}
    one, *_ = objectives_note(compared.model_copy(update={"settings": of}))
    assert "for 40 steps (mdl4ow for 200)" in one
    seeing = {**of, "mtgan": {"random": {"steps": 40, "without_labels": "all"}}}
    assert objectives_note(compared.model_copy(update={"settings": seeing}))[1].startswith("mtgan has seen all samples")
    same = objectives_note(compared.model_copy(update={"settings": {"softmax": {"random": {"steps": 40}}}}))
    assert "all for the same steps" in same[0]
    assert not any("seen" in line for line in same[1:])


def test_a_table_of_measurements_and_one_of_differences():
    assert objective_grids(result()) == []
    measured, minus = objective_grids(result(objectives=record().model_dump(mode="json")))
    assert measured.caption == "objectives, random split, 5 shots: %, mean ± sd over 4 seeds"
    assert [name for (name,) in measured.columns] == ["AUROC", "OSCR", "open OA"]
    cells = {row.names: row for row in measured.rows}
    assert next(iter(cells)) == ("frozen", "pretrained")
    at = [name for (name,) in measured.columns].index("OSCR")
    cell = cells["mdl4ow", "random weights"].cells[at]
    assert isinstance(cell, Percent)
    assert cell.mean == sum(OSCR["mdl4ow", "random"]) / 4
    assert cells["softmax", "pretrained"].ours
    assert not cells["softmax", "random weights"].ours
    assert any("mdl4ow by reconstruction" in note for note in measured.notes)
    assert any("2 parts" in note for note in measured.notes)
    columns = ["minus frozen", "minus random weights", "minus softmax"]
    assert [name for (name,) in minus.columns] == columns
    assert minus.rows[0].names == ("frozen", "pretrained")
    by_name = {row.names: dict(zip(columns, row.cells)) for row in minus.rows}
    first = by_name["softmax", "pretrained"]
    assert first["minus softmax"] is None
    assert isinstance(first["minus frozen"], Points)
    assert round(first["minus frozen"].mean, 6) == -0.045
    assert by_name["frozen", "pretrained"]["minus frozen"] is None
