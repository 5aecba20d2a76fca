"""How what is found with unknown classes and under objectives is kept as parts of the work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pydantic import JsonValue
from torch import Tensor

from simclr.eval.open_set.evaluate import OpenEntry
from simclr.eval.probes.score import seen_of
from simclr.eval.splits.open_split import OpenSplit
from simclr.eval.work.journal import Part
from simclr.eval.work.work import Form

OPEN_SET = "unknown classes"
"""The kind of work, in splits."""


def _as_facts(entries: Sequence[OpenEntry]) -> JsonValue:
    return cast(JsonValue, [list(entry) for entry in entries])


def _as_entries(facts: JsonValue) -> list[OpenEntry]:
    return [OpenEntry(*entry) for entry in cast(Any, facts)]


ENTRIES: Form[list[OpenEntry]] = Form(lambda found: Part(_as_facts(found)), lambda part: _as_entries(part.facts))
"""What was found on one split."""


def seen_of_pair(pair: OpenSplit) -> dict[str, JsonValue | Tensor]:
    """What results with unknown classes depend on of a split."""
    apart = None if pair.apart is None else [pair.apart.unit, pair.apart.alike, pair.apart.why]
    groups = None if pair.apart is None else pair.apart.groups
    return {**seen_of(pair.open), "unknown": list(pair.unknown), "apart": cast(JsonValue, apart), "groups": groups}
