"""The objective of logistic regression on features that are read from the disk, tile by tile, in every step.

Nothing but the probabilities of a group of problems is kept of a sample. The principal axes are those of the moments,
from a pass over the samples, and what is turned into them are parameters and sums, not the features.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice, pairwise
from statistics import median

import torch
from torch import Tensor

from simclr.errors import InputError
from simclr.eval.probes.logistic_problem import SOME, Problem
from simclr.eval.subject.rows import Matrix, Rows, in_memory, labelled_tiles
from simclr.eval.work.forecast import duration

NUMBERS_AT_ONCE = 2**19
"""Of a tile: 4 MB in float64, which stay in the processor's cache until they have been multiplied."""
IN_MEMORY = 2**26
"""Numbers of rows on disk that are taken into the memory all the same: in float64, in float32, and copies of both."""
PASSES = 400
"""What a choice takes, roughly: 80 where classes overlap, 600 where nearly all samples are told apart."""
TRIED = 9
"""Tiles that are timed before."""
MOST_PROBABILITIES = 2**28
"""Samples times classes at most, where rows stay on disk: 1 GB of probabilities in float32."""
MOST_PRODUCTS = 2**37
"""Samples times features times classes at most, where rows stay on disk: beyond, one step takes minutes."""


class TiledProblem(Problem):
    """A problem whose features stay where they are; see :class:`simclr.eval.probes.logistic_problem.Problem`.

    Args:
        x: features, (n, dim) as they are fitted to, float64; n > dim.
        y: classes, (n,) int64, 0 <= y < num_classes.
        num_classes: K.
    """

    def __init__(self, x: Rows, y: Tensor, num_classes: int) -> None:
        n, dim = x.shape
        self.x, self.n, self.num_classes, self.y = x, n, num_classes, y
        self.stride = max(1, n // SOME)
        like = x[torch.zeros(1, dtype=torch.int64)]
        some, sums = like.new_empty(-(-n // self.stride), dim), like.new_zeros(num_classes, dim)
        moments, first, taken = like.new_zeros(dim, dim), 0, 0
        for tile, mine in labelled_tiles(x, y):
            sums.index_add_(0, mine, tile)
            moments.addmm_(tile.T, tile)
            picked = tile[-first % self.stride :: self.stride]
            some[taken : taken + len(picked)] = picked
            first, taken = first + len(tile), taken + len(picked)
        self.mean = sums.sum(0) / n
        squares, self.axes = torch.linalg.eigh(moments - n * torch.outer(self.mean, self.mean))
        self.moments = torch.cat([squares.clamp_min_(0) / n, like.new_ones(1)])
        shares = y.bincount(minlength=num_classes).to(sums) / n
        cross = self.axes.T @ (sums / n - shares[:, None] * self.mean).T
        self.targets = torch.cat([cross, shares[None]])
        self.some = torch.cat([(some - self.mean) @ self.axes, like.new_ones(len(some), 1)], 1).float()

    def together(self, most: int) -> int:
        return min(most, max(1, MOST_PROBABILITIES // (self.n * self.num_classes)))

    def rows(self, problems: int) -> int:
        return min(super().rows(problems), max(64, NUMBERS_AT_ONCE // self.x.shape[1]))

    def tiles(self, rows: int, dtype: torch.dtype) -> Iterator[Tensor]:
        """Each in the place of the one before it."""
        n, dim = self.x.shape
        held = torch.ones(min(rows, n), dim + 1, dtype=dtype, device=self.mean.device)
        for tile in self.x.split(rows):
            held[: len(tile), :-1] = tile
            yield held[: len(tile)]

    def spread(self, flat: Tensor) -> Tensor:
        weights = self.axes @ flat[:-1]
        return torch.cat([weights, flat[-1:] - self.mean @ weights])

    def gather(self, product: Tensor) -> Tensor:
        turned = self.axes.T @ (product[:-1] - torch.outer(self.mean, product[-1]))
        return torch.cat([turned, product[-1:]])


def forecast(x: Rows, num_classes: int) -> str:
    """How long a choice of the penalty takes, by the median of what some tiles take, in a line."""
    n, dim = x.shape
    rows = max(1, NUMBERS_AT_ONCE // dim)
    weights = torch.zeros(dim, 3 * num_classes, dtype=torch.float64)
    times = []
    for tile in islice(x.split(rows), TRIED):
        times.append(time.perf_counter())
        tile = tile.double()
        logits = (tile @ weights.to(tile)).view(len(tile), num_classes, -1)
        tile.T @ logits.softmax(1).view(len(tile), -1)
    times.append(time.perf_counter())
    seconds = median(after - before for before, after in pairwise(times)) * n / min(rows, n)
    return (
        f"logistic: {n:,} x {dim:,} features stay on disk; a pass over them takes {duration(seconds)}, some {PASSES} "
        f"passes about {duration(PASSES * seconds)}"
    )


def problem_of(x: Matrix, y: Tensor, num_classes: int) -> Problem:
    """The problem of features in memory, or of rows on disk, read as often as they are needed where they are many.

    Raises:
        InputError: rows that are too many for either.
    """
    if isinstance(x, Rows) and stays_on_disk(x):
        check_size(x, num_classes)
        return TiledProblem(x, y.to(x[torch.zeros(1, dtype=torch.int64)].device), num_classes)
    x = in_memory(x, "logistic regression")
    return Problem(x, y.to(x.device), num_classes)


def stays_on_disk(x: Matrix) -> bool:
    """Whether rows are read in every step; those with no more samples than features are taken at once."""
    return isinstance(x, Rows) and x.shape.numel() > IN_MEMORY and x.shape[0] > x.shape[1]


def check_size(x: Rows, num_classes: int) -> None:
    """Refuses what would take hours, or more memory than there is.

    Raises:
        InputError: more than ``MOST_PRODUCTS`` or ``MOST_PROBABILITIES``.
    """
    n, dim = x.shape
    most = min(MOST_PROBABILITIES // n, MOST_PRODUCTS // (n * dim))
    if num_classes > most:
        raise InputError(
            f"logistic regression on {n:,} x {dim:,} features on disk takes up to {most:,} classes, and these are "
            f"{num_classes:,}: leave it out (--probes ridge,sgd,knn), or give fewer samples."
        )
