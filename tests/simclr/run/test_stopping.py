"""Signals to a run: real ones, sent to this process."""

import os
import signal

import pytest

from simclr.errors import InputError, StoppedError
from simclr.run import stopping
from simclr.run.stopping import Stopping

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]


def leave(folder, error):
    with Stopping(folder / "checkpoints") as stop:
        stop.signal = signal.SIGTERM if isinstance(error, OSError) else 0
        raise error


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_noted_and_what_was_before_comes_back(tmp_path, number, capfd):
    before = [signal.getsignal(one) for one in SIGNALS]
    with Stopping(tmp_path) as stop:
        assert stop.signal == 0
        os.kill(os.getpid(), number)
        assert stop.signal == number
        os.kill(os.getpid(), signal.SIGINT)  # what a launcher passes on is no second wish
        assert stop.signal == number
    assert [signal.getsignal(one) for one in SIGNALS] == before
    assert capfd.readouterr().err.count("\n") == 1
    error = stop.stop()
    assert error.status == 128 + number
    assert str(error) == f"stopped by {number.name}; no run state was saved yet: --resume starts from the beginning"


def test_a_second_signal_ends_the_run_at_once_and_says_what_was_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(stopping, "_ONCE_SECONDS", -1.0)
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / "step-00000012.pt").write_bytes(b"")

    def twice():
        with Stopping(checkpoints):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("it went on")

    with pytest.raises(StoppedError, match=r"SIGINT; --resume goes on from .*step-00000012\.pt"):
        twice()


def test_a_signal_that_is_ignored_stays_ignored(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with Stopping(tmp_path) as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.signal == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_mistakes_say_from_where_to_go_on_while_there_is_a_folder(tmp_path):
    with pytest.raises(InputError, match=r"^bad picture; no run state was saved yet: --resume starts from"):
        leave(tmp_path, InputError("bad picture."))
    with pytest.raises(InputError, match=r"^it is gone$"):
        leave(tmp_path / "gone", InputError("it is gone"))
    with pytest.raises(InputError, match=r"has ended \(killed by signal: Killed\).*; no run state"):
        leave(tmp_path, RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "))
    with pytest.raises(RuntimeError, match=r"^mine$"):
        leave(tmp_path, RuntimeError("mine"))
    with pytest.raises(StoppedError):  # the echo of a process that ended after the signal
        leave(tmp_path, OSError("connection closed by peer"))
