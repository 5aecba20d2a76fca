import signal
import subprocess
import sys

import pytest

from simclr.cli.signals import heard
from simclr.errors import StoppedError

IMPORTED = """
import os, signal
try:
    os.kill(os.getpid(), signal.{name})
except BaseException:  # as some libraries do
    pass
raise ImportError("cannot load module more than once")
"""


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("SIGINT", 130, "simclr: interrupted\n"),
        ("SIGTERM", 143, "simclr: stopped by SIGTERM\n"),
        ("SIGUSR1", 138, "simclr: stopped by SIGUSR1\n"),
    ],
)
def test_a_signal_during_an_import_ends_the_process_at_once_with_one_line(name, status, said, tmp_path):
    (tmp_path / "slow.py").write_text(IMPORTED.format(name=name))
    code = "from simclr.cli.signals import heard\nwith heard():\n    import slow"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", said)


def test_elsewhere_it_is_an_exception_and_what_is_ignored_stays_ignored():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(StoppedError, match="stopped by SIGTERM") as caught, heard():
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.status == 143
    with pytest.raises(KeyboardInterrupt), heard():
        signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with heard():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before[1])
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
