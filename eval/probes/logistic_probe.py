"""Logistic regression as a probe: the protocol of SimCLR's transfer experiments where there are samples enough.

45 penalties, log-spaced from 1e5 to 1e-6, are fitted to a part of the training samples; the one with the most accurate
predictions for the rest is fitted again to all of them: among equals the one with the least cross entropy, and among
those the strongest (:mod:`simclr.eval.probes.choice`). The rest is the split's validation part, or a share of each
class. With fewer than ``SWEEP_FROM`` samples a class and no validation part such a choice is noise: C is then
``FEW_SHOT_C``, and nothing is chosen.

The path of penalties goes from strong to weak, and weak ones take nearly all of the time. It ends where no weaker one
can win, for no held-out sample that could be recognised is missed, and what is left of their cross entropy counts as
none: then the choice is that of all penalties. Or it ends where ``PATIENCE`` penalties in a row, a factor of 100, are
no better than the best one before, and none of them is likelier than the likeliest before: then the choice is the best
of all that are stronger than the best one, and of those that are up to 100 times weaker; what is weaker still was not
tried. ``all_penalties`` tries them.

The penalty stands before ½||W||², beside the sum of the samples' cross entropies: scikit-learn's C is 1 / penalty.

Source: Chen et al., "A simple framework for contrastive learning of visual representations", ICML 2020, appendix
B.8.1; Kornblith, Shlens & Le, "Do better ImageNet models transfer better?", CVPR 2019, appendix A.4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from simclr.eval.metrics.calibration import fit_temperature
from simclr.eval.probes.choice import ENOUGH, best_of
from simclr.eval.probes.logistic_path import LogisticPath, logistic_path
from simclr.eval.probes.logistic_tiles import check_size, forecast, stays_on_disk
from simclr.eval.probes.prediction import (
    Linear,
    Prediction,
    Probe,
    Selected,
    Standardisation,
    answer,
    classes_of,
    fit_standardisation,
)
from simclr.eval.splits.validation import FIXED, Parts, columns_of, folds_of, parts_of
from simclr.eval.subject.rows import Matrix, Rows, in_memory, labelled_tiles, rows_of, tiles

PENALTIES = torch.logspace(5, -6, 45, dtype=torch.float64)
SWEEP_FROM = 50
PATIENCE = 8
FOLDS = 3
FEW_SHOT_C = 1.0
SWEEP_GAP = 1e-6
FINAL_GAP = 1e-8
# Why a path ended, and what is then certain of the choice.
ALL_TRIED = "all of them were tried"
NONE_MISSED = (
    "no held-out sample that can be recognised is missed, and their loss is at most "
    f"{ENOUGH:g}: no weaker penalty can win"
)
NO_BETTER = f"the last {PATIENCE} recognise no more held-out samples, and none is likelier"
GUARANTEES = {
    ALL_TRIED: "the best of all",
    NONE_MISSED: f"the best of all: losses of {ENOUGH:g} or less are equals, and among equals the strongest is taken",
    NO_BETTER: f"the best of those tried, which go {PATIENCE} penalties, a factor of 100, beyond it; no weaker one was",
}


def logistic(
    train_x: Matrix,
    train_y: Tensor,
    test_x: Matrix,
    *,
    validation: Tensor | None = None,
    standardise: bool = True,
    calibrate: bool = True,
    all_penalties: bool = False,
    device: torch.device | str = "cpu",
    say: Callable[[str], None] | None = None,
) -> Prediction:
    """Multinomial logistic regression with an L2 penalty that is chosen on held-out samples, or fixed for few.

    Args:
        train_x: features, (n, dim), any float type; many rows on disk are read anew in every step.
        train_y: classes, (n,) int64.
        test_x: features to classify, (m, dim).
        validation: rows of the training samples on which the penalty is chosen, however few there are; None holds a
            share of each class out, where there are samples enough for a choice.
        standardise: divide features by their standard deviation over the samples that are fitted to; they are centred
            either way.
        calibrate: fit a temperature also where the penalty is fixed, which takes ``FOLDS`` more fits.
        all_penalties: try them all, however little the weak ones promise.
        device: where the problems are solved, in float64.
        say: told before it starts how long it takes on rows on disk.

    Returns:
        The classes, logits as scores, and in ``selected``: the ``rule`` and what it was ``selected_on``, ``C`` and
        ``penalty``, the proven relative ``gap`` of the fit, where there was a choice the best ``validation_accuracy``
        and the ``validation_loss`` with it (mean cross entropy), how many ``penalties_tried``, why the path ``ended``
        there, with what ``guarantee`` for the choice, and the largest ``sweep_gap``, and where samples were held out
        their number, ``validation_samples``, and the ``temperature`` that calibrates their logits.

    Raises:
        InputError: if the training samples hold fewer than two classes or an unlabelled one, or are rows on disk with
            more classes than ``simclr.eval.probes.logistic_tiles.check_size`` allows.
    """
    classes = classes_of(train_y)
    x = _ready(train_x, len(classes), device)
    if say is not None and isinstance(x, Rows):
        say(forecast(x, len(classes)))
    choice: _Choice | None = None
    if validation is None and len(train_y) < SWEEP_FROM * len(classes):
        penalty = 1 / FEW_SHOT_C
        selected: Selected = {
            "rule": f"fixed: fewer than {SWEEP_FROM} training samples a class on average",
            "selected_on": FIXED,
        }
        if calibrate:
            selected |= _out_of_fold(x, train_y, penalty, standardise)
    else:
        parts = parts_of(train_y, validation)
        choice = _held_out(x, train_y, parts, standardise, all_penalties)
        penalty, selected = float(PENALTIES[choice.best]), choice.selected
        tried, most = selected["penalties_tried"], len(PENALTIES)
        which = f"{most} penalties" if tried == most else f"the {tried} strongest of {most} penalties"
        selected["rule"] = f"the most accurate of {which} on held-out samples, the likeliest among equals"
        selected["selected_on"] = parts.selected_on
    units = fit_standardisation(x, standardise)
    # The held-out samples join in: their penalty's solution is not far.
    start = choice.start(units) if choice is not None and torch.equal(choice.classes, classes) else None
    path = _fit(units(x), train_y, classes, torch.tensor([penalty]), FINAL_GAP, start=start)
    line = Linear(path.weights[0], path.intercepts[0])

    def decide(tile: Tensor) -> Tensor:
        return line(units(tile.to(device))).cpu()

    found = answer(decide, classes, test_x)
    selected |= {"C": 1 / penalty, "penalty": penalty, "gap": float(path.gaps[0]), "standardised": standardise}
    return Prediction(found.classes, found.scores, selected, lambda x: answer(decide, classes, x).classes)


def _ready(x: Matrix, num_classes: int, device: torch.device | str) -> Matrix:
    """On a device; many rows on disk when they are read, fewer at once."""
    if isinstance(x, Rows) and stays_on_disk(x):
        check_size(x, num_classes)
        return x.mapped(lambda tile: tile.to(device))
    return in_memory(x, "the probe logistic").to(device)


def _out_of_fold(x: Matrix, y: Tensor, penalty: float, standardise: bool) -> Selected:
    """The temperature of few samples, each with the logits of a fit that has not seen it, and how many there are."""
    classes, fold = classes_of(y), folds_of(y, FOLDS)
    logits = torch.zeros(len(y), len(classes), dtype=torch.float64)
    for part in range(int(fold.max()) + 1):
        fit, left = (torch.nonzero(where).flatten() for where in (fold != part, fold == part))
        units = fit_standardisation(rows_of(x, fit), standardise)
        path = _fit(units(rows_of(x, fit)), y[fit], classes, torch.tensor([penalty]), SWEEP_GAP)
        done = 0
        for tile in tiles(units(rows_of(x, left)), len(classes)):
            logits[left[done : done + len(tile)]] = (tile @ path.weights[0] + path.intercepts[0]).cpu()
            done += len(tile)
    if not bool((scored := fold >= 0).any()):
        return {}
    truth = torch.searchsorted(classes, y[scored])
    return {"validation_samples": int(scored.sum()), "temperature": fit_temperature(logits[scored], truth)}


class _Choice(NamedTuple):
    """Which penalty is the best on held-out samples, and what was fitted with it.

    Attributes:
        best: its place among the penalties.
        selected: what is told of the choice, the temperature of its logits among it.
        classes: of the samples fitted to, (K,) int64.
        units: of the samples fitted to.
        line: in those units, float64.
    """

    best: int
    selected: Selected
    classes: Tensor
    units: Standardisation
    line: Linear

    def start(self, units: Standardisation) -> tuple[Tensor, Tensor]:
        """The same weights and intercepts for features in other units."""
        ones = torch.ones_like(units.mean)
        mine, other = (ones if of.deviation is None else of.deviation for of in (self.units, units))
        shift = (units.mean - self.units.mean) / mine
        return (other / mine)[:, None] * self.line.weights, self.line.intercepts + shift @ self.line.weights


def _held_out(x: Matrix, y: Tensor, parts: Parts, standardise: bool, all_penalties: bool) -> _Choice:
    """Which penalty is the best on the held-out samples, and the temperature of its logits there."""
    fit, held_out, _ = parts
    classes = classes_of(y[fit])
    units = fit_standardisation(rows_of(x, fit), standardise)
    # A class that only the held-out samples have is never recognised.
    truth, rest = columns_of(classes, y[held_out]).to(units.mean.device), units(rows_of(x, held_out))
    known = truth >= 0
    right, loss, best, ended = units.mean.new_empty(0), units.mean.new_empty(0), 0, ALL_TRIED

    def go_on(weights: Tensor, intercepts: Tensor) -> bool:
        nonlocal right, loss, best, ended
        recognised, surprise = _judged(rest, truth, weights, intercepts)
        right, loss = torch.cat([right, recognised]), torch.cat([loss, surprise / known.sum()])
        best = best_of(right, loss)
        if all_penalties or len(right) == len(PENALTIES):
            return True
        if right[best] == known.sum() and loss[best] <= ENOUGH:
            ended = NONE_MISSED
        elif max(best, int(loss.argmin())) < len(right) - PATIENCE:
            ended = NO_BETTER
        else:
            return True
        return False

    path = _fit(units(rows_of(x, fit)), y[fit], classes, PENALTIES, SWEEP_GAP, go_on)
    line = Linear(path.weights[best], path.intercepts[best])
    logits = answer(lambda tile: line(tile), classes.to(truth.device), rest).scores
    selected: Selected = {
        "validation_samples": len(held_out),
        "validation_accuracy": float(right[best]) / len(held_out),
        "validation_loss": float(loss[best]),
        "penalties_tried": len(right),
        "ended": ended,
        "guarantee": GUARANTEES[ended],
        "sweep_gap": float(path.gaps.max()),
    }
    if logits is not None:
        selected["temperature"] = fit_temperature(logits[known], truth[known])
    return _Choice(best, selected, classes, units, line)


def _judged(x: Matrix, truth: Tensor, weights: Tensor, intercepts: Tensor) -> tuple[Tensor, Tensor]:
    """Samples that each of g fits recognises, and the sum of the cross entropies of those with a truth: (g,) float64.

    Args:
        x: (m, dim) in the units of the fits.
        truth: columns, (m,) int64; -1 for none.
        weights, intercepts: (g, dim, K) and (g, K).
    """
    fits = len(weights)
    right, loss = weights.new_zeros(fits), weights.new_zeros(fits)
    for tile, mine in labelled_tiles(x, truth, fits * weights.shape[2]):
        logits, known = tile @ weights + intercepts[:, None], mine >= 0
        right += (logits.argmax(2) == mine).sum(1)
        likely = F.cross_entropy(logits[:, known].flatten(0, 1), mine[known].repeat(fits), reduction="none")
        loss += likely.view(fits, -1).sum(1)
    return right, loss


def _fit(
    x: Matrix,
    y: Tensor,
    classes: Tensor,
    penalties: Tensor,
    max_gap: float,
    go_on: Callable[[Tensor, Tensor], bool] | None = None,
    *,
    start: tuple[Tensor, Tensor] | None = None,
) -> LogisticPath:
    # scikit-learn's C of two classes belongs to one vector of weights, the difference of our two.
    scaled = penalties.double() * (2.0 if len(classes) == 2 else 1.0)
    columns = torch.searchsorted(classes, y)
    return logistic_path(x, columns, len(classes), scaled, max_gap, go_on=go_on, start=start)


PROBE = Probe(
    logistic,
    "logistic",
    chooses=True,
    stops=True,
    logits=True,
    tiles=True,
    settings={
        "penalties": PENALTIES.tolist(),
        "patience": PATIENCE,
        "enough_loss": ENOUGH,
        "few_shot_C": FEW_SHOT_C,
        "sweep_from": f"{SWEEP_FROM} training samples a class on average, or a validation part of the split",
    },
)
