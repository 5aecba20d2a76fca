"""What an encoder file says about itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

FORMAT = "simclr-encoder/1"
MOST = 10**7
"""More than any channels or width of an encoder."""


class PretrainedOn(NamedTuple):
    """The samples that an encoder was pretrained on; only a scene has a ``patch_size``."""

    name: str | None = None
    samples: int | None = None
    classes: tuple[str, ...] = ()
    patch_size: int | None = None


class LabelsSeen(NamedTuple):
    """The labels that a fine-tuning has looked at.

    Attributes:
        ids: of their samples, in the source that it was fine-tuned on.
        classes: names of the classes that it has learned, in the order of the targets.
        unknown: names of those whose samples it was not shown.
        rule: by which the samples were chosen, in words.
    """

    ids: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    rule: str = "none"


class EncoderMetadata(dict[str, Any]):
    """The metadata of an encoder: the JSON of its file, and typed names for what this package reads of it.

    It is a dict because that is what a file holds and what other projects take it for: they look things up in it
    (``encoder.metadata["numbers"]``) and write it as JSON. It holds at least ``encoder`` (the arguments of
    ``build_encoder``) and ``feature_dim``; the names have a value for whatever else an older file lacks.
    """

    @classmethod
    def from_json(cls, text: str) -> EncoderMetadata:
        """The metadata of a file, each entry that this package reads of the kind that it must be.

        Raises:
            ValueError: in one line, if it is no JSON object, or naming the first entry that is missing or wrong.
        """
        try:
            content = json.loads(text)
        except RecursionError:
            raise ValueError("its metadata nests too deep") from None
        except ValueError as error:
            raise ValueError(f"its metadata is no JSON ({error})") from None
        if not isinstance(content, dict):
            raise ValueError(f"its metadata is {_shown(content)}, but must be an object")
        for name, kind in _ENTRIES.items():
            _check(content, name, kind)
        return cls(content)

    @property
    def architecture(self) -> Mapping[str, Any]:
        """Keyword arguments of ``simclr.models.encoder.build_encoder``."""
        return self["encoder"]

    @property
    def in_chans(self) -> int:
        """Channels that the encoder takes."""
        return self.architecture["in_chans"]

    @property
    def feature_dim(self) -> int:
        """Width of the representation."""
        return self["feature_dim"]

    @property
    def data(self) -> Mapping[str, Any]:
        """The recipe's section on data."""
        return self.get("data", {})

    @property
    def recipe(self) -> Mapping[str, Any] | None:
        """The whole recipe, as resolved."""
        return self.get("recipe")

    @property
    def source(self) -> PretrainedOn:
        """What it was pretrained on."""
        seen = self.get("source", {})
        return PretrainedOn(
            seen.get("name"), seen.get("samples"), tuple(seen.get("classes", ())), seen.get("patch_size")
        )

    @property
    def monitor_ids(self) -> Sequence[int]:
        """Samples whose labels the online probe has seen; evaluators leave them out of their test sets."""
        return self.get("monitor_ids", ())

    @property
    def labels(self) -> LabelsSeen:
        """The labels that fine-tuning has looked at."""
        seen = self.get("labels", {})
        ids, classes, unknown = (tuple(seen.get(key, ())) for key in ("ids", "classes", "unknown"))
        return LabelsSeen(ids, classes, unknown, seen.get("rule", "none"))

    @property
    def label_ids(self) -> Sequence[int]:
        """Samples whose labels anything has seen: the online probe, or fine-tuning."""
        return sorted({*self.monitor_ids, *self.labels.ids})

    @property
    def numbers(self) -> Mapping[str, float]:
        """The last numbers of the run."""
        return self.get("numbers", {})

    @property
    def versions(self) -> Mapping[str, str]:
        """Of python and packages, when it was made."""
        return self.get("versions", {})

    @property
    def created(self) -> str | None:
        """When it was made, ISO 8601, in files of older versions: today equal runs write equal files."""
        return self.get("created")

    @property
    def git(self) -> str | None:
        """The commit that made it, with ``+`` for changes beside it."""
        return self.get("git")

    def with_entries(self, **entries: Any) -> EncoderMetadata:
        """The same with further entries, or others; this one stays as it is."""
        return EncoderMetadata({**self, **entries})


class _Kind(NamedTuple):
    """What a value must be, in a test and in words; and whether it may be missing."""

    holds: Callable[[Any], bool]
    words: str
    needed: bool = False

    def or_null(self) -> _Kind:
        return _Kind(lambda value: value is None or self.holds(value), f"{self.words}, or null", self.needed)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST


def _is_ids(value: Any) -> bool:
    return isinstance(value, list) and all(type(v) is int and 0 <= v < 2**63 for v in value)


_OBJECT = _Kind(lambda value: isinstance(value, dict), "an object")
_TEXT = _Kind(lambda value: isinstance(value, str), "text")
_COUNT = _Kind(_is_count, f"an integer between 1 and {MOST:,}")
_SIDE = _Kind(lambda value: _is_count(value) and value < 2**16, "an integer between 1 and 65,535")
_POSITIVE = _Kind(lambda value: type(value) in (int, float) and 0 < value < 2**63, "a number above 0")
_TEXTS = _Kind(lambda value: isinstance(value, list) and all(isinstance(v, str) for v in value), "a list of text")
# A dotted name is looked for where the entry before the dot is there.
_ENTRIES: dict[str, _Kind] = {
    "format": _Kind(lambda value: value == FORMAT, f'"{FORMAT}"', needed=True),
    "encoder": _OBJECT._replace(needed=True),
    "encoder.name": _TEXT._replace(needed=True),
    "encoder.in_chans": _COUNT._replace(needed=True),
    "encoder.stem": _TEXT,
    "encoder.width": _COUNT,
    "encoder.options": _OBJECT,
    "encoder.embedding": _OBJECT.or_null(),
    "encoder.prototypes": _OBJECT.or_null(),
    "feature_dim": _COUNT._replace(needed=True),
    "preprocess": _OBJECT._replace(needed=True),
    "preprocess.in_chans": _COUNT._replace(needed=True),
    "preprocess.normalize": _TEXT._replace(needed=True),
    "preprocess.whiten": _COUNT.or_null(),
    "preprocess.value_max": _POSITIVE.or_null(),
    "preprocess.pool": _SIDE,
    "preprocess.input_size": _SIDE.or_null(),
    "head": _OBJECT,
    "head.in_dim": _COUNT._replace(needed=True),
    "head.hidden_dim": _COUNT._replace(needed=True),
    "head.out_dim": _COUNT._replace(needed=True),
    "head.layers": _Kind(lambda value: _is_count(value) and 2 <= value <= 1000, "an integer between 2 and 1,000", True),
    "data": _OBJECT,
    "recipe": _OBJECT.or_null(),
    "source": _OBJECT,
    "source.name": _TEXT.or_null(),
    "source.samples": _Kind(lambda value: type(value) is int and 0 <= value < 2**63, "a number of samples").or_null(),
    "source.classes": _TEXTS,
    "source.patch_size": _SIDE.or_null(),
    "saw": _OBJECT,
    "saw.kind": _TEXT._replace(needed=True),
    "monitor_ids": _Kind(_is_ids, "a list of ids of samples"),
    "labels": _OBJECT,
    "labels.ids": _Kind(_is_ids, "a list of ids of samples"),
    "labels.classes": _TEXTS,
    "labels.unknown": _TEXTS,
    "labels.rule": _TEXT,
    "numbers": _OBJECT,
    "versions": _OBJECT,
    "created": _TEXT.or_null(),
    "git": _TEXT.or_null(),
}


def _check(content: Mapping[str, Any], name: str, kind: _Kind) -> None:
    """Raise a ValueError if an entry is missing that is needed, or is of another kind."""
    outer, _, inner = name.rpartition(".")
    holder = content.get(outer) if outer else content
    if holder is None:
        return
    if inner not in holder:
        if kind.needed:
            raise ValueError(f"its metadata has no {name}, which must be {kind.words}")
    elif not kind.holds(holder[inner]):
        raise ValueError(f"{name} in its metadata is {_shown(holder[inner])}, but must be {kind.words}")


def _shown(value: Any) -> str:
    """A value in a few characters."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    if isinstance(value, int) and abs(value) > 10**20:
        return "a number of more than 20 digits"
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
