import io

from rich.console import Console

from simclr.eval.report.moving import Moving, moving


def lines(console):
    return [line.partition(" · ")[0] for line in console.file.getvalue().splitlines()]


def test_on_a_pipe_each_part_is_told_as_it_begins_and_once():
    moved = Moving(Console(file=io.StringIO()))
    moved.say("reading …")
    for done in range(3):
        moved.report("features: pretrained", done, 2)
    for done in range(1_000):
        moved.report("probes: raw", done, 1_000)
    assert lines(moved._console) == ["reading …", "features: pretrained 0/2", "probes: raw 0/1,000"]


def test_a_long_part_is_told_again():
    moved = Moving(Console(file=io.StringIO()), seconds=-1)
    for done in range(3):
        moved.report("a part", done, 3)
    assert lines(moved._console) == ["a part 0/3", "a part 1/3", "a part 2/3"]


def test_the_error_stream_takes_it_when_it_is_no_terminal(capsys):
    with moving("reading …") as moved:
        moved.report("features: [raw]", 0, 1)
    out, err = capsys.readouterr()
    assert out == ""
    # Nothing before the first part: what is refused at once is one line.
    assert err.startswith("features: [raw] 0/1 · ")
