import pytest
import torch

from simclr.eval.distance import distance
from simclr.eval.report.distance_figure import draw_distance
from simclr.eval.report.distance_grid import distance_findings, distance_grid


@pytest.fixture
def found():
    a, b = torch.randn(2, 20, 6, generator=torch.Generator().manual_seed(0))
    return distance(a, b + 2, names=("$A$", "B\x1b"), permutations=99, splits=2)


def test_two_rows_for_each_representation(found):
    table = distance_grid(found.result)
    (row,) = found.result.rows
    assert [line.names for line in table.rows] == [("features", "A and B"), ("features", "halves of A")]
    assert all(line.ours for line in table.rows)
    cells = dict(zip(table.columns, table.rows[0].cells))
    assert cells["p",] == "0.010"
    assert cells["MMD²",] == f"{row.between.test.mmd:.4f}"
    assert cells["smallest angle",] == f"{row.between.mean.angles[0]:.1f} ± {row.between.sd.angles[0]:.1f}"
    assert cells["Fréchet", "%"].startswith(f"{100 * row.between.mean.frechet_share:.1f} ± ")
    assert any("3 directions" in note for note in table.notes)
    narrow = distance(torch.randn(20, 1), torch.randn(20, 1), permutations=9, splits=1).result
    assert not any("angle" in " ".join(column) for column in distance_grid(narrow).columns)
    assert not any("angles in degrees" in note for note in distance_grid(narrow).notes)


def test_what_it_comes_to(found):
    first = distance_findings(found.result)[0]
    assert first.startswith("A and B differ (p = 0.010): MMD² is ")
    (row,) = found.result.rows
    test = row.null.test.model_copy(update={"p": 0.06})
    low = row.model_copy(update={"between": row.null.model_copy(update={"test": test})})
    alike = found.result.model_copy(update={"rows": (low,)})
    assert distance_findings(alike)[0].startswith("No difference between A and B was found (p = ")
    seen = (low.model_copy(update={"representation": "pretrained"}), low.model_copy(update={"representation": "raw"}))
    lines = distance_findings(alike.model_copy(update={"rows": seen}))
    assert lines[0].startswith("As the encoder sees them, no difference")
    assert "raw input" in lines[1]


@pytest.mark.slow
def test_any_name_can_be_drawn(found, tmp_path):
    draw_distance(tmp_path / "a.png", found.result, found.views)
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
