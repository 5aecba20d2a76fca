"""Rows of episodes, and how they are kept as parts of the work."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import TypeAdapter
from torch import Tensor

from simclr.eval.probes.episodes import EpisodeShots, run_episodes
from simclr.eval.protocol import FewShotRequest
from simclr.eval.results.record import EpisodeRow, Interval
from simclr.eval.subject.rows import Matrix
from simclr.eval.work.journal import Part
from simclr.eval.work.work import Form

_EPISODES: TypeAdapter[list[EpisodeRow]] = TypeAdapter(list[EpisodeRow])
EPISODES: Form[list[EpisodeRow]] = Form(
    lambda rows: Part(_EPISODES.dump_python(rows, mode="json")), lambda part: _EPISODES.validate_python(part.facts)
)


def episode_rows(
    name: str,
    features: Matrix,
    labels: Tensor,
    chosen: EpisodeShots,
    request: FewShotRequest,
    class_names: Sequence[str],
) -> list[EpisodeRow]:
    """A row for each number of shots that can be drawn.

    Args:
        name: of the representation.
        features: (N, dim).
        labels: (N,) int64, -1 = takes no part.
        chosen: shots, ways and queries.
        request: how many episodes, and by which seed.
        class_names: of the labels.
    """
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
