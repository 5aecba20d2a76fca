"""What was judged, as people call it: files have one name for every encoder, so that their results can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from simclr.eval.results.record import ClassRecall, EpisodeRow, Gap, Outcome, Result, Row

PRETRAINED, FINE_TUNED = "pretrained", "fine-tuned"

Of = TypeVar("Of", Row, Gap, ClassRecall, Outcome, EpisodeRow)


def name_of_judged(fine_tuned: bool) -> str:
    """What tables, maps and figures call an encoder."""
    return FINE_TUNED if fine_tuned else PRETRAINED


def as_called(result: Result) -> Result:
    """The same for tables and figures: ``fine-tuned`` stands in the place of ``pretrained`` where the encoder was."""
    if result.encoder.fine_tuned is None:
        return result

    def renamed(entries: Sequence[Of]) -> tuple[Of, ...]:
        return tuple(
            e.model_copy(update={"representation": FINE_TUNED}) if e.representation == PRETRAINED else e
            for e in entries
        )

    return result.model_copy(
        update={
            "rows": renamed(result.rows),
            "gaps": renamed(result.gaps),
            "per_class": renamed(result.per_class),
            "outcomes": renamed(result.outcomes),
            "episodes": renamed(result.episodes),
            "open_set": renamed(result.open_set),
        }
    )
