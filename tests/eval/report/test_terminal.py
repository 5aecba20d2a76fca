import re
from io import StringIO
from xml.etree import ElementTree

from rich.console import Console

from simclr.eval.report.figures import confusion_figure
from simclr.eval.report.grids import Entry, Grid, GridRow, Percent, Points, grid
from simclr.eval.report.html import table as html_table
from simclr.eval.report.terminal import line, show, side_by_side, tables

GRID = Grid(
    "of it",
    ("", "probe"),
    (("OA", "10 % of the labels"), ("AA", "5 shots"), ("text",)),
    (
        GridRow(("a", "x"), (Percent(0.5, 0.01), Points(0.1234, (-0.05, 0.3)), "word"), ours=True),
        GridRow(("a", "y"), (Percent(0.5), Points(0.1234, None, 2), None)),
        GridRow(("b", "x"), (Percent(None), Points(-0.1), None)),
    ),
    ("a note",),
)


def printed(table, width):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    show(table, console)
    return console.export_text().splitlines()


def test_cells_are_narrow_intervals_stand_below_and_a_shared_name_once():
    lines = printed(GRID, 60)
    assert lines[:2] == ["of it", "a note"]
    assert [text.split() for text in lines[2:] if text.strip()] == [
        ["OA"],
        ["10", "%", "of", "AA"],
        ["probe", "the", "labels", "5", "shots", "text"],
        ["─" * 37],
        ["a", "x", "50.0", "±1.0", "+12.3", "word"],
        ["−5.0", "to", "+30.0"],
        ["y", "50.0", "+12.3", "–"],
        ["n", "=", "2"],
        ["b", "x", "–", "−10.0", "–"],
    ]


def test_a_narrow_terminal_gets_more_tables_that_all_fit():
    for width in (30, 32, 37):
        parts = tables(GRID, width)
        assert len(parts) == {30: 3, 32: 2, 37: 1}[width]
        lines = printed(GRID, width)
        assert max(map(len, lines)) <= width
        assert not any("…" in text for text in lines)
        assert sum("+12.3" in text for text in lines) == 2


def test_nothing_is_printed_of_no_grid():
    assert grid("of it", []) is None
    assert printed(None, 80) == []


def test_a_line_holds_the_differences_of_what_is_judged():
    entries = [
        Entry(("pretrained",), ("5 shots",), Points(0.05, (0.01, 0.09)), ours=True),
        Entry(("pretrained",), ("20 shots",), Points(0.02, None, 2), ours=True),
        Entry(("random weights",), ("5 shots",), Points(0.5)),
    ]
    table = grid("points", entries)
    assert table is not None
    assert line(table) == "pretrained, points: 5 shots +5.0 (+1.0 to +9.0); 20 shots +2.0 (n = 2)"


def test_columns_go_side_by_side_as_evenly_as_they_fit():
    assert side_by_side("abcdef", [1] * 6, 6) == ["abcdef"]
    assert side_by_side("abcdef", [1] * 6, 5) == ["abcde", "f"]
    assert side_by_side("abc", [9, 9, 9], 5) == ["a", "b", "c"]
    assert side_by_side("", [], 5) == []


def test_names_in_brackets_are_no_markup():
    found = grid("of maps[train]", [Entry(("north[test]",), ("[/b] split",), "[bold]x")])
    text = "\n".join(printed(found, 60))
    assert all(name in text for name in ("of maps[train]", "north[test]", "[/b] split", "[bold]x"))


NAMES = ["\U0001f33d corn", "\u05e9\u05dc\u05d5\u05dd", "a\x1b[31mred", "nul\x00", "half\udcff", "<b>&", "[bold]"]
NAMES += ["turn\u202eed", "$x$"]
SHOWN = [*NAMES[:2], r"a\x1b[31mred", r"nul\x00", r"half\udcff", r"turn\u202eed", "[bold]", "$x$"]


def test_no_name_can_break_a_table_or_a_page_or_a_figure(tmp_path):
    rows = tuple(GridRow((name,), (Percent(0.5, 0.1),), ours=True) for name in NAMES)
    table = Grid(f"of {NAMES[4]}", ("class",), (("OA",),), rows, (NAMES[3],))
    file = tmp_path / "out.txt"
    with file.open("w", encoding="utf-8") as stream:
        show(table, Console(file=stream, width=60))
    text, page = file.read_text(encoding="utf-8"), html_table(table)
    svg = confusion_figure([[1] * len(NAMES)] * len(NAMES), NAMES)
    ElementTree.fromstring(svg.encode("utf-8"))  # it is whole XML
    for shown in SHOWN:
        assert shown in text
        assert shown.encode("utf-8") in page.encode("utf-8")
    assert not set(text) & {"\x1b", "\x00", "\u202e"}
    assert "&lt;b&gt;&amp;" in page


def test_only_the_name_of_what_is_judged_is_bold_whatever_its_numbers_are():
    table = Grid(
        "of",
        ("",),
        (("OA",),),
        (GridRow(("pretrained",), (Percent(0.1),), ours=True), GridRow(("raw",), (Percent(0.9),))),
    )
    stream = StringIO()
    show(table, Console(file=stream, width=60, force_terminal=True, color_system="truecolor"))
    bold = re.findall(r"\x1b\[1m([^\x1b]*)", stream.getvalue())
    assert [text.strip() for text in bold if text.strip() in ("pretrained", "raw", "10.0", "90.0")] == ["pretrained"]
