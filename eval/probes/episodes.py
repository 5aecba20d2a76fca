"""N-way K-shot episodes: many small classification tasks drawn from the labelled samples, all solved together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from simclr.augment.addressed import Address
from simclr.errors import InputError
from simclr.eval.metrics.statistics import mean_sd
from simclr.eval.probes.prototypes import DISTANCES, prototype_distances
from simclr.eval.subject.features import check_finite
from simclr.eval.subject.rows import Matrix

WAYS = 5
QUERIES = 15
EPISODES = 600
# Numbers of one chunk of episodes: 32 MB in float32.
CHUNK = 1 << 23


class Drawn(NamedTuple):
    """Rows of the feature matrix for each episode and class: the support (E, N, K) and the queries (E, N, Q)."""

    support: Tensor
    query: Tensor


class EpisodeMean(NamedTuple):
    """Mean accuracy over episodes, its standard deviation (n - 1) and its 95 % interval, mean ± 1.96·sd/√n.

    Fractions; the last two are None for a single episode.
    """

    mean: float
    sd: float | None
    ci95: tuple[float, float] | None


class EpisodeScores(NamedTuple):
    """Classes with too few samples to take part, and the accuracy for each distance."""

    left_out: tuple[int, ...]
    accuracy: dict[str, EpisodeMean]


def draw_episodes(labels: Tensor, ways: int, shots: int, queries: int, episodes: int, seed: int) -> Drawn:
    """Classes and samples of each episode, uniform without replacement; a pure function of the labels and the seed.

    A class takes part if it has shots + queries samples or more.

    Args:
        labels: (n,) int64; -1 = unlabelled, never drawn.
        ways: classes of an episode, N.
        shots: support samples of each, K.
        queries: query samples of each, Q.
        episodes: how many, E.
        seed: of the draws.

    Raises:
        InputError: a number below 1 (ways: 2), or too few classes with enough samples.
    """
    if ways < 2 or min(shots, queries, episodes) < 1:
        raise InputError(
            f"ways is {ways}, shots {shots}, queries {queries}, episodes {episodes}: give 2 ways or more, the others 1."
        )
    rows = torch.argsort(labels, stable=True)
    classes, counts = labels[labels >= 0].unique(return_counts=True)
    starts = int((labels < 0).sum()) + counts.cumsum(0) - counts
    able = counts >= shots + queries
    if int(able.sum()) < ways:
        raise InputError(
            f"ways is {ways}, but {int(able.sum())} of {len(classes)} classes have {shots} + {queries} samples for an "
            f"episode: give fewer ways, shots or queries."
        )
    counts, starts = counts[able], starts[able]
    episode = torch.arange(episodes)
    place = Address(seed, 0, episode, torch.zeros_like(episode))
    chosen = place.uniform("episode classes", len(counts)).argsort(1)[:, :ways].flatten()  # (E·N,)
    row = torch.arange(episodes * ways)
    drawn = Address(seed, 0, row, torch.zeros_like(row)).uniform("episode samples", shots + queries)
    samples = rows[starts[chosen, None] + _without_replacement(drawn, counts[chosen])]
    samples = samples.unflatten(0, (episodes, ways))
    return Drawn(samples[..., :shots], samples[..., shots:])


def run_episodes(
    features: Matrix,
    labels: Tensor,
    *,
    ways: int = WAYS,
    shots: int = 1,
    queries: int = QUERIES,
    episodes: int = EPISODES,
    seed: int = 0,
    distances: Sequence[str] = DISTANCES,
) -> EpisodeScores:
    """Accuracy of nearest prototypes over N-way K-shot episodes, with a 95 % interval of the mean.

    Args:
        features: (n, dim), any float type.
        labels: (n,) int64; -1 = unlabelled.
        ways, shots, queries, episodes, seed: as in :func:`draw_episodes`.
        distances: of ``simclr.eval.probes.prototypes.DISTANCES``.

    Raises:
        InputError: as in :func:`draw_episodes`, or features with NaN or infinity.

    Source: Vinyals et al., "Matching networks for one shot learning", NeurIPS 2016, section 4.1; Snell et al., 2017.
    """
    check_finite(features, torch.arange(len(features)), "features")
    drawn = draw_episodes(labels, ways, shots, queries, episodes, seed)
    found: dict[str, list[float]] = {distance: [] for distance in distances}
    step = max(1, CHUNK // (ways * (shots + queries) * features.shape[1]))
    for support_rows, query_rows in zip(drawn.support.split(step), drawn.query.split(step)):
        support, query = (features[rows.flatten(1)] for rows in (support_rows, query_rows))
        support_class, query_class = (
            torch.arange(ways).repeat_interleave(n).expand(len(support), -1) for n in (shots, queries)
        )
        for distance in distances:
            nearest = prototype_distances(support, support_class, query, ways, distance).argmin(-1)
            found[distance] += (nearest == query_class).double().mean(1).tolist()
    present, counts = labels[labels >= 0].unique(return_counts=True)
    return EpisodeScores(
        tuple(present[counts < shots + queries].tolist()),
        {distance: mean_interval(values) for distance, values in found.items()},
    )


def mean_interval(values: Sequence[float]) -> EpisodeMean:
    """Mean, standard deviation and interval of one value or more."""
    mean, sd = mean_sd(values)
    if sd is None:
        return EpisodeMean(mean, None, None)
    half = 1.96 * sd / len(values) ** 0.5
    return EpisodeMean(mean, sd, (mean - half, mean + half))


def _without_replacement(uniform: Tensor, counts: Tensor) -> Tensor:
    """Distinct numbers below a count for each row, from uniforms (R, k): the j-th picks among the count - j left.

    The pick counts only numbers that are left, so every earlier pick at or below it moves it up by one.
    """
    picked = torch.empty(len(uniform), 0, dtype=torch.int64)
    columns: list[Tensor] = []
    for j in range(uniform.shape[1]):
        left = counts - j
        pick = (uniform[:, j].double() * left).long().clamp_max(left - 1)
        for earlier in picked.unbind(1):
            pick = pick + (pick >= earlier)
        columns.append(pick)
        picked = torch.cat([picked, pick[:, None]], 1).sort(1).values
    return torch.stack(columns, 1)


class LeftOut(NamedTuple):
    """What cannot be done, and why."""

    what: str
    why: str


class EpisodeShots(NamedTuple):
    """Episodes that can be drawn: their ways and queries, the shots, and why others are left out."""

    ways: int
    queries: int
    shots: tuple[int, ...]
    skipped: tuple[LeftOut, ...]


def episode_shots(labels: Tensor, ways: int | None, shots: Sequence[int], queries: int | None) -> EpisodeShots:
    """The episodes that enough classes have enough samples for.

    Args:
        labels: of the samples that episodes are drawn from, (n,) int64, -1 = not to be drawn.
        ways: None is ``WAYS``, or all classes where there are fewer.
        shots: what is asked for.
        queries: None is ``QUERIES``; then shots for which there are too few samples are left out and said.

    Raises:
        InputError: more ways than classes, or queries that leave no episode at all.
    """
    counts = labels[labels >= 0].unique(return_counts=True)[1].sort(descending=True).values
    if len(counts) < 2 or (ways is not None and len(counts) < ways):
        raise InputError(
            f"ways is {ways or WAYS}, but there are {len(counts)} classes: "
            + (f"give {len(counts)} ways or fewer." if len(counts) > 1 else "leave the episodes out (0 of them).")
        )
    ways = min(WAYS, len(counts)) if ways is None else ways
    asked = QUERIES if queries is None else queries
    able = {k: int((counts >= k + asked).sum()) for k in shots}
    kept = tuple(k for k in shots if able[k] >= ways)
    most = int(counts[ways - 1]) - min(shots, default=0)
    if shots and not kept and queries is not None:
        fewer = "give fewer ways" if ways > 2 else "leave the episodes out (0 of them)"
        less = f"give {most} queries or fewer" if most > 0 else fewer
        raise InputError(
            f"queries is {queries}, but {able[min(shots)]} of {len(counts)} classes have {min(shots)} + {queries} "
            f"samples for {ways}-way episodes: {less}."
        )
    skipped = tuple(
        LeftOut(
            f"{ways}-way {k}-shot episodes",
            f"{n} of {len(counts)} classes have {k} + {asked} samples: "
            f"give fewer {'queries' if int(counts[ways - 1]) > k else 'shots'}",
        )
        for k, n in able.items()
        if n < ways
    )
    return EpisodeShots(ways, asked, kept, skipped)
