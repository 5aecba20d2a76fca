import re

from simclr.eval.report.grids import Grid, GridRow, Percent, Points
from simclr.eval.report.html import cell_text, table


def test_a_representation_is_named_once_above_its_probes():
    rows = (GridRow(("a", "x"), ("1",), ours=True), GridRow(("a", "y"), ("2",)), GridRow(("b", "x"), ("3",)))
    html = table(Grid("of it", ("", "probe"), (("OA", "5 shots"),), rows, ("and a note",)))
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr.*?</tr>", html)]
    assert cells == [["", "probe", "OA, 5 shots"], ["a", "x", "1"], ["y", "2"], ["b", "x", "3"]]
    assert html.count('rowspan="2"') == 1
    assert html.count('class="ours"') == 1
    assert "<caption>Of it. And a note.</caption>" in html


def test_cells_are_one_line():
    assert cell_text(Percent(0.5, 0.0123)) == "50.0 ± 1.2"
    assert cell_text(Points(0.1234, (-0.05, 0.3))) == "+12.3 [−5.0, +30.0]"
    assert cell_text(Points(0.1234, None, 2)) == "+12.3 (n = 2)"
    assert cell_text(Points(-0.1)) == "−10.0"
    assert (cell_text(None), cell_text(Percent(None)), cell_text("word")) == ("–", "–", "word")
