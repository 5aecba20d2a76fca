import re
from pathlib import Path

import eval.splits.split as module
from augment.addressed import MAX_EPOCHS
from eval.streams import Stream

HOUSE = Path(module.__file__).parents[1]


def test_a_split_can_be_drawn_again_by_anybody_who_knows_the_number():
    assert Stream.SPLIT == 2**23


def test_every_stream_has_a_number_of_its_own_in_reach_of_the_generator():
    assert len({int(stream) for stream in Stream}) == len(Stream.__members__)
    assert all(2**23 <= stream < MAX_EPOCHS for stream in Stream)


def test_numbers_of_streams_are_written_nowhere_else_and_each_is_drawn_from_in_one_file():
    files = {file: file.read_text(encoding="utf-8") for file in HOUSE.rglob("*.py") if file.name != "streams.py"}
    assert not [file for file, text in files.items() if re.search(r"2\s*\*\*\s*23", text)]
    for stream in Stream:
        users = [file.name for file, text in files.items() if f"Stream.{stream.name}" in text]
        assert users, f"{stream.name} is used by nothing"
        if stream is not Stream.SPLIT:  # the order behind every kind of split
            assert len(users) == 1, f"{stream.name} is drawn from in {users}"
