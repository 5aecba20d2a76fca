"""Files that are written whole or not at all, on a disk that is full or cannot be written."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from simclr.errors import InputError
from simclr.files import check_writable, explain, write_atomically, write_text

FULL = """
import resource, sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from matplotlib.figure import Figure
from simclr.files import write_atomically, write_text
from simclr.errors import InputError
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))  # as a disk that takes no more
folder = Path(sys.argv[1])
figure = Figure()
figure.add_axes((0, 0, 1, 1)).plot(torch.rand(500))
ways = {
    "text.json": lambda path: write_text(path, "x" * 9000),
    "state.pt": lambda path: write_atomically(path, lambda file: torch.save({"a": torch.rand(9000)}, file)),
    "weights.safetensors": lambda path: write_atomically(path, lambda file: save_file({"a": torch.rand(9000)}, file)),
    "picture.png": lambda path: write_atomically(path, lambda file: figure.savefig(file)),
}
for name, write in ways.items():
    try:
        write(folder / name)
    except InputError as error:
        print(error)
"""


@pytest.mark.slow
def test_every_library_that_finds_the_disk_full_is_explained_and_the_old_file_stays(tmp_path):
    names = ["text.json", "state.pt", "weights.safetensors", "picture.png"]
    for name in names:
        (tmp_path / name).write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True, timeout=300)
    lines = done.stdout.splitlines()
    assert [line.split(" cannot be written: file too large")[0] for line in lines] == [
        str(tmp_path / name) for name in names
    ], done.stderr
    assert all("iB free in" in line and "ulimit -f" in line for line in lines)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert all((tmp_path / name).read_bytes() == b"old" for name in names)


def test_what_is_no_fault_of_the_disk_is_not_blamed_on_it(tmp_path):
    with pytest.raises(RuntimeError, match="mine"):
        write_atomically(tmp_path / "a", lambda file: (_ for _ in ()).throw(RuntimeError("mine")))
    with pytest.raises(AttributeError):
        write_atomically(tmp_path / "a", lambda file: torch.save(lambda: 0, file))
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for path, words in [
        (tmp_path / "nowhere" / "a.json", "make it, or give another"),
        (tmp_path / "file" / "a.json", "not a directory"),
        (tmp_path / ("n" * 300), "give a shorter name"),
    ]:
        with pytest.raises(InputError, match=r"cannot be written: ") as caught:
            write_text(path, "text")
        assert str(path) in str(caught.value)
        assert words in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_whether_a_result_can_be_written_is_known_before_the_work(tmp_path):
    check_writable(tmp_path / "not" / "there" / "yet" / "result.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/result\.json cannot be written: not a directory"):
        check_writable(tmp_path / "file" / "result.json")
    with pytest.raises(InputError, match=r"/proc/result\.json cannot be written"):  # nobody may, not even root
        check_writable(Path("/proc/result.json"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_errors_of_the_system_that_nobody_explained():
    full = explain(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert "a file cannot be written: no space left on device" in str(full)
    denied = explain(PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/data/x"))
    assert str(denied) == "/data/x: permission denied: check that path and who may use it"
    assert explain(OSError("something else")) is None
