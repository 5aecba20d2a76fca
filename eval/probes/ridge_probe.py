"""Ridge regression as a probe: the penalty by exact leave-one-out, or on the split's validation part."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from simclr.eval.probes.prediction import Prediction, Probe, Selected, answer, classes_of, fit_standardisation
from simclr.eval.probes.ridge_path import leave_one_out, ridge_statistics
from simclr.eval.splits.validation import LEAVE_ONE_OUT, parts_of
from simclr.eval.subject.rows import Matrix, labelled_tiles, rows_of

ALPHAS = np.logspace(-6, 5, 45)


def ridge(
    train_x: Matrix, train_y: Tensor, test_x: Matrix, *, validation: Tensor | None = None, standardise: bool = True
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
    units = fit_standardisation(train_x, standardise)
    x, columns = units(train_x), torch.searchsorted(classes, train_y)
    known = ridge_statistics(x, columns, len(classes))
    if validation is None:
        alpha = ALPHAS[int(leave_one_out(known, x, columns, torch.from_numpy(ALPHAS)).errors.argmin())]
    else:
        alpha, selected = _chosen_on(validation, train_x, train_y, standardise)
    line = known.solve(alpha)

    def decide(tile: Tensor) -> Tensor:
        return line(units(tile))

    found = answer(decide, classes, test_x)
    selected |= {"alpha": float(alpha), "standardised": standardise}
    return Prediction(found.classes, found.scores, selected, lambda x: answer(decide, classes, x).classes)


def _chosen_on(validation: Tensor, x: Matrix, y: Tensor, standardise: bool) -> tuple[float, Selected]:
    fit, held_out, selected_on = parts_of(y, validation)
    classes = classes_of(y[fit])
    train = rows_of(x, fit)
    units = fit_standardisation(train, standardise)
    known = ridge_statistics(units(train), torch.searchsorted(classes, y[fit]), len(classes))
    lines = [known.solve(alpha) for alpha in ALPHAS]
    right = torch.zeros(len(ALPHAS), dtype=torch.int64)
    for tile, mine in labelled_tiles(units(rows_of(x, held_out)), y[held_out], len(classes)):
        right += torch.stack([(classes[line(tile).argmax(1)] == mine).sum() for line in lines])
    best = len(ALPHAS) - 1 - int(right.flip(0).argmax())
    return float(ALPHAS[best]), {
        "selected_on": selected_on,
        "validation_samples": len(held_out),
        "validation_accuracy": float(right[best]) / len(held_out),
    }


PROBE = Probe(ridge, "ridge", chooses=True, tiles=True, settings={"alphas": ALPHAS.tolist()})
