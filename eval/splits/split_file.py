"""Splits as files: JSON that says which samples, drawn how, of what data, and that cannot be changed unnoticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from simclr.errors import InputError
from simclr.eval.splits.split import Split
from simclr.files import write_text

FORMAT = "simclr-split/1"
SPLIT_PARTS = ("train", "validation", "test")


def write_split(path: str | Path, split: Split, labels: Tensor, class_names: Sequence[str], source: str = "") -> str:
    """Writes a split, whole or not at all.

    Ids are written class by class as ranges, ``3-7,12``. ``sha256`` at the end is that of the file's other entries.

    Args:
        path: .json file to write.
        split: whose ids count through all N samples (those of a test part of its own follow the training part's).
        labels: class of each sample, (N,) int64.
        class_names: of the classes.
        source: name of the data, for people.

    Returns:
        The file's ``sha256``.
    """
    content: dict[str, Any] = {
        "format": FORMAT,
        "name": split.name,
        "rule": split.rule,
        "seed": split.seed,
        "shots": split.shots,
        "share": split.share,
        "left_out": [class_names[c] for c in split.left_out],
        "dropped": dict(split.dropped),
        "source": {"name": source, "samples": len(labels), "classes": list(class_names)},
        **{part: [as_ranges(ids[labels[ids] == c]) for c in range(len(class_names))] for part, ids in _parts(split)},
    }
    content["sha256"] = _digest(content)
    # Halves of characters, as in names of files that are not UTF-8, are written as JSON escapes them.
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    write_text(Path(path), text.encode("utf-8", "backslashreplace").decode("utf-8"))
    return content["sha256"]


def read_split(path: str | Path, labels: Tensor, class_names: Sequence[str]) -> Split:
    """Reads a split and makes sure that it is of these samples.

    The labels of its samples tell: they must be those that the file says. So a split stays valid for the same data at
    another place, in another format or preprocessed in another way. Samples that have lost their label since (images
    that cannot be read) are left out and counted in ``dropped``.

    Args:
        path: a file of :func:`write_split`.
        labels: class of each sample, (N,) int64.
        class_names: of the classes.

    Returns:
        The split, named by the file (without .json); it has no seed, as nothing is drawn.

    Raises:
        InputError: if the file is missing, damaged or changed, belongs to other data, or its parts meet.
    """
    file = Path(path)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"the split file {file} cannot be read: {error.strerror or error}.") from None
    except (ValueError, RecursionError) as error:
        why = " ".join(str(error).split())[:100]
        raise InputError(f"{file} is no JSON file ({why}): give one that write_split wrote.") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{file} is no split file of this version ({FORMAT}): give one that write_split wrote.")
    _check(content, file)
    if content["sha256"] != _digest(content):
        raise InputError(f"{file} was damaged or changed (its sha256 does not fit): write it again.")
    samples, classes = content["source"]["samples"], content["source"]["classes"]
    if (samples, classes) != (len(labels), list(class_names)):
        other = ", or other names" if len(classes) == len(class_names) else ""
        raise InputError(
            f"{file} is a split of {samples} samples of {len(classes)} classes, but the data has {len(labels)} of "
            f"{len(class_names)}{other}: give one of this data."
        )
    ids, lost = {}, 0
    for part in SPLIT_PARTS:
        by_class = [from_ranges(text, file, samples) for text in content[part]]
        these = torch.cat(by_class)
        said = torch.cat([torch.full_like(some, c) for c, some in enumerate(by_class)])
        wrong = these[(labels[these] != said) & (labels[these] >= 0)]
        if len(wrong):
            raise InputError(
                f"{len(wrong)} samples have other labels than {file} says, first id {int(wrong[0])}: the data, their "
                f"order or their labels are not those that it was written for."
            )
        ids[part] = these[labels[these] >= 0].sort().values
        lost += len(these) - len(ids[part])
    return Split(
        file.stem,
        ids["train"],
        ids["test"],
        None,
        content["shots"],
        content["rule"],
        tuple(classes.index(name) for name in content["left_out"]),
        content["share"],
        ids["validation"],
        content["dropped"] | ({"without a label now": lost} if lost else {}),
        {"file": str(file), "sha256": content["sha256"]},
    )


def as_ranges(ids: Tensor) -> str:
    """Ids in ascending order as text: ``3-7,12`` is 3, 4, 5, 6, 7, 12."""
    ids = ids.sort().values
    if len(ids) == 0:
        return ""
    ends = torch.nonzero(ids.diff() != 1).flatten()
    first = ids[torch.cat([torch.tensor([0]), ends + 1])].tolist()
    last = ids[torch.cat([ends, torch.tensor([len(ids) - 1])])].tolist()
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(first, last))


def from_ranges(text: str, file: str | Path = "the split", samples: int | None = None) -> Tensor:
    """The ids of :func:`as_ranges`, (n,) int64.

    Args:
        text: the ranges.
        file: where they stand, for the error.
        samples: how many the data has; None allows any id.

    Raises:
        InputError: if the text is none of its kind, or names a sample that the data does not have.
    """
    parts, most = [], 10**18 if samples is None else samples - 1
    for part in text.split(",") if text else []:
        first, dash, last = part.partition("-")
        ends = [end for end in (first, last if dash else first) if end.isascii() and end.isdecimal() and len(end) < 19]
        if len(ends) < 2 or int(ends[0]) > int(ends[1]):
            raise InputError(f"{file} holds {part[:20]!r} among its ids: ids are written as 3-7,12.")
        if int(ends[1]) > most:
            raise InputError(f"{file} names sample {ends[1]}, which the data does not have: its last is {most}.")
        parts.append(torch.arange(int(ends[0]), int(ends[1]) + 1))
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64)


def _check(content: Mapping[str, Any], file: Path) -> None:
    """Raises InputError that names the first key which is missing or of a wrong kind."""

    def whole(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0

    def texts(value: object) -> bool:
        return isinstance(value, list) and all(isinstance(text, str) for text in value)

    source = content.get("source")
    inner = source if isinstance(source, dict) else {}
    classes = inner["classes"] if texts(inner.get("classes")) else []
    share, dropped, left_out = content.get("share"), content.get("dropped"), content.get("left_out")
    ranges = f"a list of {len(classes)} texts such as '3-7,12', one for each class"
    expected = [
        ("source", isinstance(source, dict), "an object with samples and classes"),
        ("source.samples", whole(inner.get("samples")), "a whole number"),
        ("source.classes", len(classes) > 0, "a list of names"),
        ("rule", isinstance(content.get("rule"), str), "a text"),
        ("shots", "shots" in content and (content["shots"] is None or whole(content["shots"])), "a number or null"),
        (
            "share",
            "share" in content and (share is None or (isinstance(share, float) and 0 < share < 1)),
            "a share or null",
        ),
        ("left_out", texts(left_out) and set(left_out or ()) <= set(classes), "a list of names of classes"),
        ("dropped", isinstance(dropped, dict) and all(map(whole, dropped.values())), "an object of whole numbers"),
        *((part, texts(content.get(part)) and len(content[part]) == len(classes), ranges) for part in SPLIT_PARTS),
        ("sha256", isinstance(content.get("sha256"), str), "a text"),
    ]
    for key, fits, what in expected:
        if not fits:
            raise InputError(f"{file}: {key} is missing or not {what}: give a file that write_split wrote.")


def _parts(split: Split) -> list[tuple[str, Tensor]]:
    return [(part, getattr(split, part)) for part in SPLIT_PARTS]


def _digest(content: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
