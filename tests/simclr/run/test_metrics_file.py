"""metrics.jsonl: whole lines, in whatever state it was found."""

import errno
import json
import os
import shutil

import pytest

from simclr.errors import InputError
from simclr.run.metrics_file import MetricsFile


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path, *steps):
    path.write_text("".join(json.dumps({"step": step, "loss": step / 3}) + "\n" for step in steps))


def test_a_resume_keeps_the_lines_of_the_steps_that_are_done(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write(path, 0, 1, 2, 3)
    with MetricsFile(path, 2) as metrics:
        assert metrics.last == {"step": 1, "loss": 1 / 3}
        assert metrics.note is None
        metrics.write({"step": 2, "loss": 0.5})
    assert [line["step"] for line in lines(path)] == [0, 1, 2]
    with MetricsFile(path, 0) as metrics:
        assert metrics.last == {}
    assert path.read_text() == ""


NOT_A_STEP = [b"\xff\xfe\x00", b"5", b"null", b"[1]", b'"text"', b'{"step": null}', b'{"step": "1"}', b'{"step": -1}']
CUT_SHORT = [b"{}", b'{"step": 1, "lo', b"[" * 100_000, b'{"step": true}', b'{"step": 1e400}']


@pytest.mark.parametrize("damage", [*NOT_A_STEP, *CUT_SHORT])
def test_damaged_lines_are_left_out_and_counted(tmp_path, damage):
    path = tmp_path / "metrics.jsonl"
    write(path, 0, 1, 2)
    whole = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([whole[0], damage, whole[2]]))
    with MetricsFile(path, 3) as metrics:
        assert metrics.last["step"] == 2
        assert metrics.note == "metrics.jsonl was damaged: 1 of its first 3 lines are lost"
    assert [line["step"] for line in lines(path)] == [0, 2]


def test_a_folder_that_is_gone_or_another_one_is_an_error(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with MetricsFile(folder / "metrics.jsonl", 0) as metrics:
        metrics.write({"step": 0})
        folder.rename(tmp_path / "moved")
        with pytest.raises(InputError, match="run is gone"):
            metrics.write({"step": 1})
        folder.mkdir()
        with pytest.raises(InputError, match="run is gone"):
            metrics.write({"step": 1})
        shutil.rmtree(folder)
    assert len(lines(tmp_path / "moved" / "metrics.jsonl")) == 1


def test_a_file_that_an_editor_replaced_is_written_on(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with MetricsFile(path, 0) as metrics:
        metrics.write({"step": 0})
        (tmp_path / "new").write_text(path.read_text())
        (tmp_path / "new").replace(path)
        metrics.write({"step": 1})
        path.unlink()
        metrics.write({"step": 2})
    assert [line["step"] for line in lines(path)] == [2]


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
    path = tmp_path / "metrics.jsonl"
    real, room = os.write, [30]

    def full(descriptor, data):
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(descriptor, bytes(data)[: room[0]])
        room[0] -= written
        return written

    with MetricsFile(path, 0) as metrics:
        monkeypatch.setattr(os, "write", full)
        metrics.write({"step": 0, "loss": 1.5})
        with pytest.raises(InputError, match=r"metrics.jsonl cannot be written: no space left.*free some space"):
            metrics.write({"step": 1, "loss": 1.5})
    assert lines(path) == [{"step": 0, "loss": 1.5}]


def test_only_the_main_process_writes(tmp_path):
    with MetricsFile(tmp_path / "metrics.jsonl", 0, enabled=False) as metrics:
        metrics.write({"step": 0})
    assert list(tmp_path.iterdir()) == []
