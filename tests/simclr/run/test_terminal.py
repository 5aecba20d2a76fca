import pytest

from simclr.run.terminal import Progress


@pytest.mark.parametrize(("seconds", "told"), [(1.0, [3, 10, 20]), (0.01, [10, 20])])
def test_where_a_run_is_long_the_first_steps_tell_how_long(monkeypatch, capsys, seconds, told):
    clock = [0.0]
    monkeypatch.setattr("simclr.run.terminal.time.perf_counter", lambda: clock[0])
    with Progress(100, 0, 8) as progress:
        for step in range(20):
            clock[0] += seconds if step else 5 * seconds  # the first one warms up
            progress.advance({"loss": 1.0})
    lines = capsys.readouterr().err.splitlines()
    assert [int(line.split("/")[0].removeprefix("step ")) for line in lines] == told
    if told[0] == 3:
        assert lines[0].endswith(" · 97 s left")
    assert not any(" 0 s left" in line for line in lines)
