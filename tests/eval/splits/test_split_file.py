import hashlib
import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simclr.errors import InputError
from simclr.eval.splits.split import hold_out, k_shot
from simclr.eval.splits.split_file import as_ranges, from_ranges, read_split, write_split

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


WRONG = (None, True, -1, 0, 1.5, 10**30, "", "x", "3-", "5-2", "0-999999999999", [], [1], [[]], {}, {"a": 1})


def mutations(content):
    """Copies of a file's content with one key missing or of another kind, at every depth."""
    for key, value in content.items():
        yield {other: kept for other, kept in content.items() if other != key}
        yield from ({**content, key: wrong} for wrong in WRONG)
        if isinstance(value, dict):
            yield from ({**content, key: inner} for inner in mutations(value))
        elif isinstance(value, list) and value:
            yield from ({**content, key: [wrong, *value[1:]]} for wrong in WRONG)
            yield {**content, key: value[1:]}


def test_a_file_with_one_key_wrong_is_refused_in_one_line_or_is_a_split(tmp_path):
    """The hash is made to fit again, so that whatever reads the keys has to look at them itself."""
    labels = torch.arange(40) % 3
    split = hold_out(k_shot(labels, 8, 0), labels, 0.25)
    write_split(tmp_path / "a.json", replace(split, dropped={"for a reason": 2}), labels, ["a", "b", "c"], "data")
    content = json.loads((tmp_path / "a.json").read_text())
    several = list(mutations(content))
    assert len(several) > 200
    refused = []
    for changed in several:
        if "sha256" in changed and changed["sha256"] == content["sha256"]:
            rest = {key: value for key, value in changed.items() if key != "sha256"}
            changed["sha256"] = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
        (tmp_path / "b.json").write_text(json.dumps(changed))
        try:
            found = read_split(tmp_path / "b.json", labels, ["a", "b", "c"])
        except InputError as error:
            refused.append(str(error))
        else:
            assert set(found.train.tolist()) <= set(range(40))
    assert len(refused) > 200
    assert not [text for text in refused if "\n" in text or not ("b.json" in text or "split" in text)]


@pytest.mark.parametrize("text", ["[" * 100_000, "\xff", "", "{" * 9, '{"format": "simclr-split/1"}', "[1]"])
def test_what_is_no_split_file_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"a\.json") as caught:
        read_split(tmp_path / "a.json", torch.arange(6) % 2, ["a", "b"])
    assert "\n" not in str(caught.value)


def test_the_key_that_is_wrong_and_what_it_should_be_are_named(tmp_path):
    labels = torch.arange(40) % 3
    write_split(tmp_path / "a.json", k_shot(labels, 8, 0), labels, ["a", "b", "c"])
    content = json.loads((tmp_path / "a.json").read_text())
    for change, message in (
        ({"test": 5}, r"a.json: test is missing or not a list of 3 texts such as '3-7,12', one for each class"),
        ({"source": {"samples": 40}}, "source.classes is missing or not a list of names"),
        ({"shots": "5"}, "shots is missing or not a number or null"),
    ):
        (tmp_path / "a.json").write_text(json.dumps({**content, **change}))
        with pytest.raises(InputError, match=message):
            read_split(tmp_path / "a.json", labels, ["a", "b", "c"])
