"""Ridge regression as a probe: the penalty by exact leave-one-out, or on the split's validation part."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from simclr.eval.probes.prediction import Prediction, Probe, Selected, classes_of, fit_standardisation
from simclr.eval.probes.ridge_path import ridge_path
from simclr.eval.splits.validation import LEAVE_ONE_OUT, parts_of

ALPHAS = np.logspace(-6, 5, 45)


def ridge(
    train_x: Tensor, train_y: Tensor, test_x: Tensor, *, validation: Tensor | None = None, standardise: bool = True
) -> Prediction:
    """Ridge classifier: the penalty of ``ALPHAS`` with the least leave-one-out squared error on the training samples.

    Args:
        train_x: features, (n, dim), any float type.
        train_y: classes, (n,) int64.
        test_x: features to classify, (m, dim).
        validation: rows of the training samples on which the penalty is the most accurate one instead (the strongest
            among equals) when fitted to the others; the chosen one is fitted again to all.
        standardise: divide features by their standard deviation over the samples that are fitted to; they are centred
            either way.

    Returns:
        The classes, the regression's values as scores, and the chosen ``alpha``.

    Raises:
        InputError: if the training samples hold fewer than two classes or an unlabelled one.
    """
    classes = classes_of(train_y)
    selected: Selected = {"selected_on": LEAVE_ONE_OUT}
    alphas = torch.from_numpy(ALPHAS)
    if validation is not None:
        best, selected = _chosen_on(validation, train_x, train_y, alphas, standardise)
        alphas = alphas[best : best + 1]
    units = fit_standardisation(train_x, standardise)
    errors, weights, intercepts = ridge_path(units(train_x), _targets(train_y, classes), alphas)
    best = int(errors.argmin())

    def decide(x: Tensor) -> Tensor:
        return units(x) @ weights[best] + intercepts[best]

    decision = decide(test_x)
    selected |= {"alpha": float(alphas[best]), "standardised": standardise}
    return Prediction(classes[decision.argmax(1)], decision, selected, lambda x: classes[decide(x).argmax(1)])


def _chosen_on(validation: Tensor, x: Tensor, y: Tensor, alphas: Tensor, standardise: bool) -> tuple[int, Selected]:
    fit, held_out, selected_on = parts_of(y, validation)
    classes = classes_of(y[fit])
    units = fit_standardisation(x[fit], standardise)
    _, weights, intercepts = ridge_path(units(x[fit]), _targets(y[fit], classes), alphas)
    decision = units(x[held_out]) @ weights + intercepts[:, None]
    accuracy = (classes[decision.argmax(2)] == y[held_out]).double().mean(1)
    best = len(alphas) - 1 - int(accuracy.flip(0).argmax())
    return best, {
        "selected_on": selected_on,
        "validation_samples": len(held_out),
        "validation_accuracy": float(accuracy[best]),
    }


def _targets(y: Tensor, classes: Tensor) -> Tensor:
    return 2.0 * (y[:, None] == classes[None, :]).double() - 1.0


PROBE = Probe(ridge, "ridge", chooses=True, settings={"alphas": ALPHAS.tolist()})
