"""Whatever the encoding of the terminal, a command says what it has to say."""

import io
import os
import subprocess
import sys

import pytest

from simclr.cli.output import write_any_character


def run(encoding, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "simclr", *arguments],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "80"},
        timeout=100,
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-16"])
def test_help_and_errors_are_said_in_any_encoding(encoding):
    done = run(encoding, "linear-eval", "--help")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "Judge a frozen encoder" in done.stdout.decode(encoding)
    done = run(encoding, "pretrain", "caf\udce9 ± \u4e2d")
    assert done.returncode == 2
    assert "there is no recipe 'caf" in done.stderr.decode(encoding)


def test_a_character_that_the_encoding_lacks_has_a_stand_in(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    monkeypatch.setattr(sys, "stderr", None)
    write_any_character()
    print("± 3 · a→b │ caf\udce9 ç 中 ⠹", flush=True)
    assert raw.getvalue() == b"+- 3 . a->b | caf\\xe9 ? ? *\n"
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw := io.BytesIO(), encoding="utf-8"))
    write_any_character()
    print("± caf\udce9", flush=True)
    assert raw.getvalue() == "± caf\\xe9\n".encode()


def test_a_stream_of_another_kind_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    write_any_character()
    print("±")
    assert sys.stdout.getvalue() == "±\n"
