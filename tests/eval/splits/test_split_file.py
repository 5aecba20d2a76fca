import hashlib
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.splits.split import hold_out, k_shot
from eval.splits.split_file import as_ranges, from_ranges, read_split, write_split
from simclr.errors import InputError

NAMES = ("oats", "wheat", "woods", "rare")


def labels_of(*sizes):
    order = torch.randperm(sum(sizes), generator=torch.Generator().manual_seed(0))
    return torch.tensor([c for c, n in enumerate(sizes) for _ in range(n)])[order]


LABELS = labels_of(30, 12, 9, 1)


@settings(max_examples=100, deadline=None)
@given(ids=st.sets(st.integers(0, 300)))
def test_ranges_hold_every_id_once(ids):
    text = as_ranges(torch.tensor(sorted(ids, reverse=True), dtype=torch.int64))
    by_hand = [i for part in text.split(",") if part for i in _expand(part)]
    assert by_hand == sorted(ids)
    assert from_ranges(text).tolist() == sorted(ids)
    assert text.count(",") + bool(text) == sum(i - 1 not in ids for i in ids)


def _expand(part):
    first, _, last = part.partition("-")
    return range(int(first), int(last or first) + 1)


def test_a_split_comes_back_as_it_was(tmp_path):
    split = hold_out(k_shot(LABELS, 5, 3, exclude=[4]), LABELS)
    sha = write_split(tmp_path / "mine.json", split, LABELS, NAMES, "scene")
    back = read_split(tmp_path / "mine.json", LABELS.clone(), list(NAMES))
    for part in ("train", "validation", "test"):
        assert getattr(back, part).equal(getattr(split, part))
    assert (back.name, back.seed, back.shots, back.left_out) == ("mine", None, 5, (3,))
    content = json.loads((tmp_path / "mine.json").read_text())
    assert back.origin == {"file": str(tmp_path / "mine.json"), "sha256": sha}
    for c, text in enumerate(content["train"]):
        assert from_ranges(text).tolist() == [i for i in split.train.tolist() if LABELS[i] == c]
    assert write_split(tmp_path / "again.json", split, LABELS, NAMES, "scene") == sha


def planted(path, **changes):
    """A file with a fitting hash, as somebody who knows the format would write it."""
    write_split(path, k_shot(LABELS, 5, 0), LABELS, NAMES)
    content = json.loads(path.read_text()) | changes
    del content["sha256"]
    content["sha256"] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(content))
    return path


def by_class(ids):
    return [as_ranges(ids[LABELS[ids] == c]) for c in range(4)]


SPLIT = k_shot(LABELS, 5, 0)
LEAK = torch.cat([SPLIT.test, SPLIT.train[:1]])
TWICE = by_class(SPLIT.train[LABELS[SPLIT.train] == 0])[0]


def test_what_is_planted_below_would_be_read_without_its_leak(tmp_path):
    assert read_split(planted(tmp_path / "s.json"), LABELS, NAMES).train.equal(SPLIT.train)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": by_class(LEAK)}, f"share 1 samples, first id {int(SPLIT.train[0])}"),
        ({"validation": by_class(SPLIT.test)}, "test and validation part"),
        ({"train": [f"{TWICE},{TWICE}", "", "", ""]}, "more than once"),
        ({"test": ["", "", "", ""]}, "empty"),
        ({"test": ["60-99", "", "", ""]}, "names sample 99, which the data does not have"),
        ({"test": ["3-x", "", "", ""]}, "ids are written as"),
        ({"test": ["-3", "", "", ""]}, "ids are written as"),
    ],
)
def test_a_planted_leak_is_refused(tmp_path, changes, message):
    path = planted(tmp_path / "s.json", **changes)
    with pytest.raises(InputError, match=message):
        read_split(path, LABELS, NAMES)


def test_other_data_or_another_file_is_refused(tmp_path):
    path = tmp_path / "s.json"
    write_split(path, k_shot(LABELS, 5, 0), LABELS, NAMES)
    other = LABELS.clone()
    other[k_shot(LABELS, 5, 0).train[0]] = 3
    for labels, names, message in [
        (LABELS[:-1], NAMES, "52 samples of 4 classes, but the data has 51 of 4"),
        (LABELS, NAMES[::-1], "other names"),
        (LABELS, NAMES[:3], "of 3"),
        (other, NAMES, "1 samples have other labels than"),
    ]:
        with pytest.raises(InputError, match=message) as error:
            read_split(path, labels, names)
        assert "\n" not in str(error.value)
    text = path.read_text()
    for change, message in [
        (text.replace('"seed": 0', '"seed": 1'), "damaged or changed"),
        (text[:-40], "no JSON"),
        ("[]", "no split file"),
        ("{}", "no split file"),
    ]:
        path.write_text(change)
        with pytest.raises(InputError, match=message):
            read_split(path, LABELS, NAMES)
    with pytest.raises(InputError, match="cannot be read"):
        read_split(tmp_path / "none.json", LABELS, NAMES)


def test_a_sample_without_a_label_now_is_left_out_and_counted(tmp_path):
    write_split(tmp_path / "s.json", SPLIT, LABELS, NAMES)
    labels = LABELS.clone()
    labels[[int(SPLIT.train[2]), int(SPLIT.test[5])]] = -1
    split = read_split(tmp_path / "s.json", labels, NAMES)
    assert set(split.train.tolist()) == set(SPLIT.train.tolist()) - {int(SPLIT.train[2])}
    assert set(split.test.tolist()) == set(SPLIT.test.tolist()) - {int(SPLIT.test[5])}
    assert split.dropped == {"without a label now": 2}
