import io
import time

from rich.console import Console

from simclr.eval.report.moving import Moving, moving


def lines(console):
    return [line.partition(" · ")[0] for line in console.file.getvalue().splitlines()]


def test_on_a_pipe_what_is_quick_says_nothing():
    moved = Moving(Console(file=io.StringIO()))
    moved.say("reading …")
    for done in range(1_000):
        moved.report("probes: raw", done, 1_000)
    assert lines(moved._console) == []


def test_on_a_pipe_there_is_a_line_every_so_often_with_the_time_that_is_left():
    moved = Moving(Console(file=io.StringIO(), width=200), lambda: "about 3 min", seconds=-1)
    moved.report("a part", 1_000, 3_000)
    moved.look()
    moved.line("[kept] as it is")
    said = moved._console.file.getvalue().splitlines()
    assert said == ["a part 1,000/3,000 · 0 s · about 3 min left"] * 2 + ["[kept] as it is"]


def test_a_part_that_reports_nothing_is_told_too(monkeypatch, capsys):
    monkeypatch.setattr("simclr.eval.report.moving.TICK", 0.01)
    monkeypatch.setattr("simclr.eval.report.moving.SECONDS", 0.0)
    with moving("reading …") as moved:
        capsys.readouterr()
        moved.report("features: [raw]", 0, 1)
        capsys.readouterr()
        time.sleep(0.1)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("features: [raw] 0/1 · ")
