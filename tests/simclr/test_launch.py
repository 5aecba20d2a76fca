"""A launcher learns why a process ended."""

import json
import subprocess
import sys

import pytest

from simclr.launch import tell_launcher


def test_the_last_lines_of_a_launcher_say_what_was_wrong():
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "simclr"]
    done = subprocess.run(
        [*launch, "pretrain", "image-folder", "data.path=/no/where"], capture_output=True, text=True, timeout=200
    )
    assert done.returncode != 0
    said = "simclr: data.path is /no/where, which does not exist"
    root_cause = done.stderr.split("Root Cause")[1]
    assert said in root_cause
    assert "To enable traceback" not in root_cause


def test_without_a_launcher_or_a_place_to_write_nothing_happens(monkeypatch, tmp_path):
    monkeypatch.delenv("TORCHELASTIC_ERROR_FILE", raising=False)
    tell_launcher("simclr: no")
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "none" / "error.json"))
    tell_launcher("simclr: no")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("message", ["simclr: two", "caf\udce9 \u4e2d"])
def test_the_reason_is_in_the_form_that_launchers_read(monkeypatch, tmp_path, message):
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "error.json"))
    tell_launcher(message)
    written = json.loads((tmp_path / "error.json").read_text())
    assert written["message"]["message"] == written["message"]["extraInfo"]["py_callstack"] == message
    assert int(written["message"]["extraInfo"]["timestamp"]) > 1_700_000_000
