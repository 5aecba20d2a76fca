"""What was measured is found again, and only by what depends on the same."""

import pytest

from benchmarks.quality.entries import Cell, Entry, EntryFile
from simclr.errors import InputError

CELL = Cell("ours", "ridge", "block", "5", "accuracy", (0.5, 0.25), (1.0, 0.75))
ENTRY = Entry("samson", "scene", (0, 1), "abc", (CELL, CELL), verdict=0.1, seconds=2.5, feature_dim=8)


def test_entries_are_read_as_they_were_written(tmp_path):
    file = EntryFile(tmp_path / "new" / "quality.json")
    other = Entry("samson", "untrained", (0, 1), "abc", (Cell("raw", "knn", "block", "5", "accuracy", (0.5, 0.5)),))
    file.add(ENTRY)
    file.add(other)
    assert EntryFile(file.path).entries == [ENTRY, other]


def test_an_entry_is_found_by_its_slot_and_by_what_it_depends_on(tmp_path):
    file = EntryFile(tmp_path / "quality.json")
    file.add(ENTRY)
    assert file.find("samson", "scene", (0, 1)) == ENTRY
    assert file.find("samson", "scene", (0, 1), "abc") == ENTRY
    assert file.find("samson", "scene", (0, 1), "abd") is None
    assert file.find("samson", "scene", (0,), "abc") is None


def test_the_newer_entry_of_a_slot_counts(tmp_path):
    file = EntryFile(tmp_path / "quality.json")
    newer = Entry("samson", "scene", (0, 1), "new", (CELL,))
    for entry in (ENTRY, newer):
        file.add(entry)
    assert EntryFile(file.path).entries == [newer]


@pytest.mark.parametrize("text", ["", "[]", '{"format": "other/1"}', '{"format": "simclr-quality/1", "entries": [1]}'])
def test_another_file_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(InputError, match="give another file") as error:
        EntryFile(path)
    assert "\n" not in str(error.value)
    assert path.read_text() == text
