"""What a probe is, and what every probe gives: classes, a score for each class, and what was chosen on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, overload

import torch
from pydantic import JsonValue
from torch import Tensor

from simclr.errors import InputError
from simclr.eval.subject.rows import Matrix, Rows, tiles

MOST_SCORES = 2**27
"""Scores that are kept: 1 GB in float64."""

Selected = dict[str, JsonValue]
"""What was chosen on the training samples, and how the solver ended."""
Classify = Callable[[Tensor], Tensor]
"""Features (n, dim) -> their classes (n,) int64, by what was learned."""


@dataclass(frozen=True)
class Prediction:
    """A probe's answer for m samples.

    Attributes:
        classes: predicted class of each, (m,) int64.
        scores: (m, K) float, larger for likelier, one column for each class of the training samples in ascending order
            (``train_y.unique()``); None for a probe that has none, or with more than ``MOST_SCORES`` numbers.
        selected: what was chosen on the training samples, and how the solver ended.
        classify: the same classifier for other samples; None of a probe that cannot.
    """

    classes: Tensor
    scores: Tensor | None
    selected: Selected
    classify: Classify | None = None


FitPredict = Callable[..., Prediction]
"""(train_x (n, dim), train_y (n,), test_x (m, dim)) -> Prediction; one that ``chooses`` also takes the keywords
``validation`` (rows of the training samples to choose on, or None) and ``standardise``."""


@dataclass(frozen=True)
class Probe:
    """A classifier on frozen features, and what is to be known of it.

    Attributes:
        fit: learns from training samples and answers for others, see ``FitPredict``.
        title: what people call it.
        chooses: whether ``fit`` takes ``validation`` and ``standardise``: it chooses something on held-out samples, and
            sees standardised features.
        stops: whether ``fit`` takes ``all_penalties`` and ``say``: its search is long, and ends early unless it is
            told not to.
        logits: whether its scores are logits, whose softmax are probabilities: their calibration is then measured.
        tiles: whether ``fit`` takes ``simclr.eval.subject.rows.Rows`` as well, and reads them tile by tile: features
            that do not fit into the memory then reach it as they are.
        settings: what is the same for every fit; kept in results that name probes' settings, where there are any.
    """

    fit: FitPredict
    title: str
    chooses: bool = False
    stops: bool = False
    logits: bool = False
    tiles: bool = False
    settings: Mapping[str, JsonValue] | None = field(default=None)


def classes_of(train_y: Tensor) -> Tensor:
    """The classes that occur, ascending, (K,) int64.

    Raises:
        InputError: if they are fewer than two, or one is negative (unlabelled).
    """
    classes = train_y.unique()
    if len(classes) < 2:
        raise InputError(f"a probe needs training samples of at least 2 classes, got {len(classes)}.")
    if int(classes[0]) < 0:
        raise InputError("a training sample is unlabelled (class -1): leave unlabelled samples out first.")
    return classes


class Standardisation(NamedTuple):
    """Features as linear probes see them: less the training mean and, with a deviation, divided by it; float64."""

    mean: Tensor
    deviation: Tensor | None

    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Rows) -> Rows: ...
    def __call__(self, x: Matrix) -> Matrix:
        """(m, dim), any float type, on the mean's device; rows on disk stay there."""
        if isinstance(x, Rows):
            return x.mapped(lambda piece: self(piece))
        x = x.double() - self.mean
        return x if self.deviation is None else x.div_(self.deviation)


def fit_standardisation(train_x: Matrix, scale: bool = True) -> Standardisation:
    """Mean and, with ``scale``, standard deviation of the training samples.

    The deviation has n in its denominator, as scikit-learn's StandardScaler has it; a feature that is constant in
    training is only centred, and is 0 then.

    Args:
        train_x: (n, dim), any float type.
        scale: whether to divide.

    Source: Chan, Golub & LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979,
        for the sums of squares of all tiles.
    """
    first = train_x[torch.zeros(1, dtype=torch.int64)].double()
    done, mean, squares = 0, torch.zeros_like(first[0]), torch.zeros_like(first[0])
    for tile in tiles(train_x):
        # Less the first sample, so that a constant feature is 0 without rounding.
        tile = tile.double() - first
        n, middle = len(tile), tile.mean(0)
        step = middle - mean
        if scale:
            squares += (tile - middle).square_().sum(0) + step.square() * (done * n / (done + n))
        mean, done = mean + step * (n / (done + n)), done + n
    mean += first[0]
    if not scale:
        return Standardisation(mean, None)
    deviation = (squares / done).sqrt()
    # Rounding leaves a nearly constant feature with a deviation of some 1e-16 of its size.
    deviation = deviation.where(deviation > 1e-13 * mean.abs(), 1.0)
    return Standardisation(mean, deviation.where(deviation > 0, 1.0))


class Linear(NamedTuple):
    """x -> x @ weights + intercepts: (dim, K) and (K,)."""

    weights: Tensor
    intercepts: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """(b, dim) -> (b, K)."""
        return torch.addmm(self.intercepts, x, self.weights)


class Answer(NamedTuple):
    """Classes (m,) int64, and the scores that they are of, (m, K), unless there are too many."""

    classes: Tensor
    scores: Tensor | None


def answer(decide: Callable[[Tensor], Tensor], classes: Tensor, x: Matrix) -> Answer:
    """What a classifier says of samples, tile by tile.

    Args:
        decide: features (b, dim) -> scores (b, K), larger for likelier.
        classes: of the scores' columns, (K,) int64.
        x: features, (m, dim).

    Returns:
        The class of the largest score of each, and the scores where they are ``MOST_SCORES`` numbers or fewer.
    """
    found = classes.new_empty(len(x))
    scores: Tensor | None = None
    done = 0
    for tile in tiles(x, len(classes)):
        decided = decide(tile)
        if done == 0 and len(x) * len(classes) <= MOST_SCORES:
            # Filled in: pieces that stay between tiles that go would leave holes in the memory, as large as the tiles.
            scores = decided.new_empty(len(x), decided.shape[1])
        found[done : done + len(tile)] = classes[decided.argmax(1)]
        if scores is not None:
            scores[done : done + len(tile)] = decided
        done += len(tile)
    return Answer(found, scores)
