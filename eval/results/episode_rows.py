"""Rows of episodes, and how they are kept as parts of the work."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pydantic import JsonValue, TypeAdapter
from torch import Tensor

from simclr.eval.probes.episodes import EpisodeShots, run_episodes
from simclr.eval.protocol import FewShotRequest
from simclr.eval.results.record import EpisodeRow, Interval
from simclr.eval.subject.rows import Matrix
from simclr.eval.work.journal import Part
from simclr.eval.work.work import Form, Work

EPISODES = "episodes"
"""The kind of work."""
_ROWS: TypeAdapter[list[EpisodeRow]] = TypeAdapter(list[EpisodeRow])
KEPT: Form[list[EpisodeRow]] = Form(
    lambda rows: Part(_ROWS.dump_python(rows, mode="json")), lambda part: _ROWS.validate_python(part.facts)
)


def episode_units(width: int) -> float:
    """How much work one episode is with so many features."""
    return width + 100.0


def episode_rows(
    name: str,
    features: Matrix,
    labels: Tensor,
    chosen: EpisodeShots,
    request: FewShotRequest,
    class_names: Sequence[str],
    work: Work,
) -> list[EpisodeRow]:
    """A row for each number of shots that can be drawn.

    Args:
        name: of the representation.
        features: (N, dim).
        labels: (N,) int64, -1 = takes no part.
        chosen: shots, ways and queries.
        request: how many episodes, and by which seed.
        class_names: of the labels.
        work: keeps the rows, in the scope of the features.
    """
    run = partial(_run, name, features, labels, chosen, request, class_names)
    how: JsonValue = [name, list(chosen.shots), chosen.ways, chosen.queries, request.episodes, request.seeds[0]]
    units = len(chosen.shots) * request.episodes * episode_units(features.shape[1])
    return work.part(KEPT, run, EPISODES, units, what=EPISODES, of=labels, how=how)


def _run(
    name: str,
    features: Matrix,
    labels: Tensor,
    chosen: EpisodeShots,
    request: FewShotRequest,
    class_names: Sequence[str],
) -> list[EpisodeRow]:
    found = []
    for k in chosen.shots:
        amounts = {"ways": chosen.ways, "shots": k, "queries": chosen.queries, "episodes": request.episodes}
        left_out, accuracy = run_episodes(features, labels, seed=request.seeds[0], **amounts)  # type: ignore[arg-type]
        found.append(
            EpisodeRow(
                representation=name,
                **amounts,
                seed=request.seeds[0],
                left_out=tuple(class_names[c] for c in left_out),
                accuracy={distance: Interval(**mean._asdict()) for distance, mean in accuracy.items()},
            )
        )
    return found
