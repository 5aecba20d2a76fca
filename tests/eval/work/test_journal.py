import os

import pytest
import torch

from simclr.eval.work.journal import Journal, Part, digest_of

PART = Part(
    {"oa": 0.1 + 0.2, "none": None, "list": [1, -0.0, 1e-300]},
    {
        "right": torch.tensor([[True, False, True]]),
        "counts": torch.tensor([2**62, -1]),
        "h": torch.tensor([0.1, torch.nan, torch.inf]),
        "none": torch.empty(0, 3, dtype=torch.float64),
    },
)


def same(a, b):
    assert repr(a.facts) == repr(b.facts)
    assert a.tensors.keys() == b.tensors.keys()
    for name, tensor in a.tensors.items():
        torch.testing.assert_close(tensor, b.tensors[name], rtol=0, atol=0, equal_nan=True)


def test_parts_come_back_to_the_last_bit(tmp_path):
    journal = Journal(tmp_path / "folder" / "a.parts.jsonl")
    journal["key"] = PART
    same(journal["key"], PART)
    assert not (tmp_path / "folder").exists()  # a quick evaluation writes nothing
    journal.write()
    again = Journal(tmp_path / "folder" / "a.parts.jsonl")
    assert (again.found, again.notes) == (1, [])
    same(again["key"], PART)
    assert again["other"] is None
    again.clear()
    assert not list((tmp_path / "folder").iterdir())


def test_without_a_file_nothing_is_kept():
    journal = Journal(None)
    journal["key"] = PART
    journal.write()
    assert journal["key"] is None


def test_a_file_that_was_cut_or_changed_at_any_place_loses_no_more_than_that_line(tmp_path):
    file = tmp_path / "a.parts.jsonl"
    journal = Journal(file, seconds=0.0)
    for name in "abc":
        journal[name] = Part([name * 20])
    content = file.read_bytes()
    ends = [i for i, byte in enumerate(content) if byte == ord("\n")]
    for cut in range(0, len(content), 7):
        file.write_bytes(content[:cut])
        found = Journal(file)
        whole = sum(end <= cut for end in ends)
        assert found.found == whole
        found["d"] = Part("d")
        found.write()
        again = Journal(file)
        assert [again[name] is not None for name in "abcd"] == [i < whole for i in range(3)] + [True]
    for place in range(0, len(content), 7):
        changed = bytearray(content)
        changed[place] ^= 4
        file.write_bytes(changed)
        found = Journal(file)
        kept = [found[name] for name in "abc"]
        # A line break that is gone makes two lines one.
        assert sum(part is None for part in kept) <= 1 + (place in ends)
        assert all(part is None or part.facts == [name * 20] for name, part in zip("abc", kept))


@pytest.mark.parametrize("line", ['{"format": "other/9", "key": "k"}', "[]", '{"key": "k"}', "nonsense"])
def test_whole_lines_of_another_kind_are_no_parts(tmp_path, line):
    import hashlib

    file = tmp_path / "a.parts.jsonl"
    file.write_text(f"{hashlib.sha256(line.encode()).hexdigest()} {line}\n")
    assert Journal(file)["k"] is None


def test_a_disk_that_takes_nothing_ends_the_keeping_alone(tmp_path):
    (tmp_path / "in the way").write_text("")
    journal = Journal(tmp_path / "in the way" / "a.parts.jsonl", seconds=0.0)
    journal["key"] = PART
    assert [note.partition(":")[0] for note in journal.notes] == ["parts are not kept any more"]
    journal["more"] = PART
    assert len(journal.notes) == 1


def test_a_digest_is_of_contents_and_names_and_of_no_order():
    x = torch.arange(6)
    assert digest_of({"a": x, "b": 1}) == digest_of({"b": 1, "a": x.clone()})
    others = [{"a": x.reshape(2, 3)}, {"a": x.float()}, {"a": x.flip(0)}, {"b": x}, {"a": x, "b": None}, {"a": [1]}]
    assert len({digest_of(one) for one in [{"a": x}, *others]}) == 7
    assert digest_of({"a": x[::2]}) == digest_of({"a": x[::2].clone()})


def test_two_writers_of_one_file_lose_nothing(tmp_path):
    file = tmp_path / "a.parts.jsonl"
    first, second = Journal(file, seconds=0.0), Journal(file, seconds=0.0)
    first["a"], second["b"], first["c"] = Part(1), Part(2), Part(3)
    found = Journal(file)
    assert [found[name].facts for name in "abc"] == [1, 2, 3]
    assert os.listdir(tmp_path) == ["a.parts.jsonl"]


def test_what_another_evaluation_has_kept_stays(tmp_path):
    file = tmp_path / "result.parts.jsonl"
    one, other = Journal(file, seconds=0), Journal(file, seconds=0)
    one["mine"], other["theirs"] = Part(1), Part(2)
    one.clear()
    assert Journal(file)["theirs"] == Part(2)
    assert Journal(file)["mine"] is None
    other.clear()
    assert not file.exists()
