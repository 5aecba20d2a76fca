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
from simclr.eval.probes.prediction import Prediction, Probe, Selected, Standardisation, classes_of, fit_standardisation
from simclr.eval.splits.validation import FIXED, Parts, columns_of, folds_of, parts_of

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
    train_x: Tensor,
    train_y: Tensor,
    test_x: Tensor,
    *,
    validation: Tensor | None = None,
    standardise: bool = True,
    calibrate: bool = True,
    all_penalties: bool = False,
    device: torch.device | str = "cpu",
) -> Prediction:
    """Multinomial logistic regression with an L2 penalty that is chosen on held-out samples, or fixed for few.

    Args:
        train_x: features, (n, dim), any float type.
        train_y: classes, (n,) int64.
        test_x: features to classify, (m, dim).
        validation: rows of the training samples on which the penalty is chosen, however few there are; None holds a
            share of each class out, where there are samples enough for a choice.
        standardise: divide features by their standard deviation over the samples that are fitted to; they are centred
            either way.
        calibrate: fit a temperature also where the penalty is fixed, which takes ``FOLDS`` more fits.
        all_penalties: try them all, however little the weak ones promise.
        device: where the problems are solved, in float64.

    Returns:
        The classes, logits as scores, and in ``selected``: the ``rule`` and what it was ``selected_on``, ``C`` and
        ``penalty``, the proven relative ``gap`` of the fit, where there was a choice the best ``validation_accuracy``
        and the ``validation_loss`` with it (mean cross entropy), how many ``penalties_tried``, why the path ``ended``
        there, with what ``guarantee`` for the choice, and the largest ``sweep_gap``, and where samples were held out
        their number, ``validation_samples``, and the ``temperature`` that calibrates their logits.

    Raises:
        InputError: if the training samples hold fewer than two classes or an unlabelled one.
    """
    classes = classes_of(train_y)
    choice: _Choice | None = None
    if validation is None and len(train_y) < SWEEP_FROM * len(classes):
        penalty = 1 / FEW_SHOT_C
        selected: Selected = {
            "rule": f"fixed: fewer than {SWEEP_FROM} training samples a class on average",
            "selected_on": FIXED,
        }
        if calibrate:
            selected |= _out_of_fold(train_x, train_y, penalty, standardise, device)
    else:
        parts = parts_of(train_y, validation)
        choice = _held_out(train_x, train_y, parts, standardise, device, all_penalties)
        penalty, selected = float(PENALTIES[choice.best]), choice.selected
        tried, most = selected["penalties_tried"], len(PENALTIES)
        which = f"{most} penalties" if tried == most else f"the {tried} strongest of {most} penalties"
        selected["rule"] = f"the most accurate of {which} on held-out samples, the likeliest among equals"
        selected["selected_on"] = parts.selected_on
    units = fit_standardisation(train_x.to(device), standardise)
    # The held-out samples join in: their penalty's solution is not far.
    start = choice.start(units) if choice is not None and torch.equal(choice.classes, classes) else None
    samples = units(train_x.to(device))
    path = _fit(samples, train_y, classes, torch.tensor([penalty]), FINAL_GAP, start=start)

    def decide(x: Tensor) -> Tensor:
        return _logits(path, units(x.to(device)))[0].cpu()

    logits = decide(test_x)
    selected |= {"C": 1 / penalty, "penalty": penalty, "gap": float(path.gaps[0]), "standardised": standardise}
    return Prediction(classes[logits.argmax(1)], logits, selected, lambda x: classes[decide(x).argmax(1)])


def _out_of_fold(x: Tensor, y: Tensor, penalty: float, standardise: bool, device: torch.device | str) -> Selected:
    """The temperature of few samples, each with the logits of a fit that has not seen it, and how many there are."""
    classes, fold = classes_of(y), folds_of(y, FOLDS)
    logits = torch.zeros(len(y), len(classes), dtype=torch.float64, device=device)
    for part in range(int(fold.max()) + 1):
        fit, left = fold != part, fold == part
        units = fit_standardisation(x[fit].to(device), standardise)
        path = _fit(units(x[fit].to(device)), y[fit], classes, torch.tensor([penalty]), SWEEP_GAP)
        logits[left] = _logits(path, units(x[left].to(device)))[0]
    if not bool((scored := fold >= 0).any()):
        return {}
    truth = torch.searchsorted(classes, y[scored]).to(device)
    return {"validation_samples": int(scored.sum()), "temperature": fit_temperature(logits[scored], truth)}


class _Choice(NamedTuple):
    """Which penalty is the best on held-out samples, and what was fitted with it.

    Attributes:
        best: its place among the penalties.
        selected: what is told of the choice, the temperature of its logits among it.
        classes: of the samples fitted to, (K,) int64.
        units: of the samples fitted to.
        weights, intercepts: in those units, (dim, K) and (K,) float64.
    """

    best: int
    selected: Selected
    classes: Tensor
    units: Standardisation
    weights: Tensor
    intercepts: Tensor

    def start(self, units: Standardisation) -> tuple[Tensor, Tensor]:
        """The same weights and intercepts for features in other units."""
        ones = torch.ones_like(units.mean)
        mine, other = (ones if of.deviation is None else of.deviation for of in (self.units, units))
        shift = (units.mean - self.units.mean) / mine
        return (other / mine)[:, None] * self.weights, self.intercepts + shift @ self.weights


def _held_out(
    x: Tensor,
    y: Tensor,
    parts: Parts,
    standardise: bool,
    device: torch.device | str,
    all_penalties: bool,
) -> _Choice:
    """Which penalty is the best on the held-out samples, and the temperature of its logits there."""
    fit, held_out, _ = parts
    classes = classes_of(y[fit])
    units = fit_standardisation(x[fit].to(device), standardise)
    # A class that only the held-out samples have is never recognised.
    truth, rows = columns_of(classes, y[held_out]).to(device), units(x[held_out].to(device))
    known = truth >= 0
    right, loss, best, ended = rows.new_empty(0), rows.new_empty(0), 0, ALL_TRIED

    def go_on(weights: Tensor, intercepts: Tensor) -> bool:
        nonlocal right, loss, best, ended
        logits = rows @ weights + intercepts[:, None]
        right = torch.cat([right, (logits.argmax(2) == truth).to(right).sum(1)])
        likely = F.cross_entropy(logits[:, known].flatten(0, 1), truth[known].repeat(len(logits)), reduction="none")
        loss = torch.cat([loss, likely.view(len(logits), -1).mean(1)])
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

    path = _fit(units(x[fit].to(device)), y[fit], classes, PENALTIES, SWEEP_GAP, go_on)
    weights, intercepts = path.weights[best], path.intercepts[best]
    selected: Selected = {
        "validation_samples": len(held_out),
        "validation_accuracy": float(right[best]) / len(held_out),
        "validation_loss": float(loss[best]),
        "penalties_tried": len(right),
        "ended": ended,
        "guarantee": GUARANTEES[ended],
        "sweep_gap": float(path.gaps.max()),
        "temperature": fit_temperature(rows[known] @ weights + intercepts, truth[known]),
    }
    return _Choice(best, selected, classes, units, weights, intercepts)


def _fit(
    x: Tensor,
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
    columns = torch.searchsorted(classes, y).to(x.device)
    return logistic_path(x, columns, len(classes), scaled, max_gap, go_on=go_on, start=start)


def _logits(path: LogisticPath, x: Tensor) -> Tensor:
    """(a, m, K)"""
    return x @ path.weights + path.intercepts[:, None]


PROBE = Probe(
    logistic,
    "logistic",
    chooses=True,
    stops=True,
    logits=True,
    settings={
        "penalties": PENALTIES.tolist(),
        "patience": PATIENCE,
        "few_shot_C": FEW_SHOT_C,
        "sweep_from": f"{SWEEP_FROM} training samples a class on average, or a validation part of the split",
    },
)
