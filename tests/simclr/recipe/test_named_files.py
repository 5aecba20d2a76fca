"""Paths that a recipe names."""

import os

import pytest

from simclr.errors import InputError
from simclr.recipe.named_files import NamedFile, check_files, shortened, why_not


def test_what_is_there_is_taken(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (why_not(tmp_path, "folder"), why_not(tmp_path / "file", "file"), why_not("~/file", "file")) == ("", "", "")
    check_files([NamedFile("data.path", str(tmp_path), "folder", "a folder"), NamedFile("data.x", None, "file", "x")])


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("none", "file", "does not exist"),
        ("file/below", "file", "does not exist"),
        ("file", "folder", "is a file"),
        (".", "file", "is a folder"),
        ("pipe", "file", "is no file but a device or a pipe"),
        ("loop", "file", "cannot be opened (Too many levels of symbolic links)"),
        ("x" * 300, "file", "cannot be opened (File name too long)"),
        ("a\0b", "folder", "is no name that a file can have"),
        ("~nobody-of-this-name/x", "folder", "does not exist"),
    ],
)
def test_what_is_not_there_says_why(name, kind, reason, tmp_path):
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    path = name if name.startswith("~") else f"{tmp_path}/{name}"
    with pytest.raises(InputError, match=r"^data\.path is ") as caught:
        check_files([NamedFile("data.path", path, kind, "another")])
    assert str(caught.value).endswith(f", which {reason}: give another.")
    assert len(str(caught.value)) < 300


def test_text_in_a_message_is_short_and_in_one_line():
    assert shortened("a\nb\x1b[31m\udce9é") == r"a\nb\x1b[31m\udce9é"
    assert len(shortened("x" * 10**6)) == 120
