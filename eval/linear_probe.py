"""Classifiers on frozen features, each chosen on its training samples alone.

``ridge``, ``logistic`` and ``sgd`` see features standardised by the training samples' mean and standard deviation
(scikit-learn's StandardScaler), unless told not to. What they choose they choose on the validation part of the split
where it has one, by accuracy, and then learn from training and validation samples together.

- ``ridge``: least squares on one-hot (+1/-1) targets, the penalty chosen by exact leave-one-out squared error where the
  split has no validation part. Equal to scikit-learn's ``RidgeClassifierCV(ALPHAS)``, but for all penalties from one
  eigendecomposition.
- ``logistic``: L2 logistic regression, see ``eval.logistic_probe``.
- ``sgd``: a linear layer by SGD, see ``eval.sgd_probe``; runs when it is named.
- ``knn``: weighted cosine kNN with fixed k on features that are centred on the training mean but not scaled: features
  behind a ReLU all point one way, where neighbours count for nothing and the largest class wins; scaling would blow up
  pixels that hardly ever change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from eval.knn import TEMPERATURE, K, knn_votes
from eval.logistic_probe import logistic
from eval.prediction import FitPredict, Prediction, Selected, classes_of
from eval.ridge_path import ridge_path
from eval.sgd_probe import sgd
from eval.standardise import standardised
from eval.validation import FIXED, LEAVE_ONE_OUT, parts_of
from simclr.errors import InputError

HEADLINE = "logistic"
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
    train, test = standardised(train_x, test_x, standardise)
    errors, weights, intercepts = ridge_path(train, _targets(train_y, classes), alphas)
    best = int(errors.argmin())
    decision = test @ weights[best] + intercepts[best]
    selected |= {"alpha": float(alphas[best]), "standardised": standardise}
    return Prediction(classes[decision.argmax(1)], decision, selected)


def _chosen_on(validation: Tensor, x: Tensor, y: Tensor, alphas: Tensor, standardise: bool) -> tuple[int, Selected]:
    fit, held_out, selected_on = parts_of(y, validation)
    classes = classes_of(y[fit])
    train, rest = standardised(x[fit], x[held_out], standardise)
    _, weights, intercepts = ridge_path(train, _targets(y[fit], classes), alphas)
    decision = rest @ weights + intercepts[:, None]
    accuracy = (classes[decision.argmax(2)] == y[held_out]).double().mean(1)
    best = len(alphas) - 1 - int(accuracy.flip(0).argmax())
    return best, {
        "selected_on": selected_on,
        "validation_samples": len(held_out),
        "validation_accuracy": float(accuracy[best]),
    }


def _targets(y: Tensor, classes: Tensor) -> Tensor:
    return 2.0 * (y[:, None] == classes[None, :]).double() - 1.0


def knn(train_x: Tensor, train_y: Tensor, test_x: Tensor) -> Prediction:
    """Weighted cosine kNN with fixed k and temperature on centred features; a score is a class's share of the votes.

    Otherwise as :func:`ridge`.
    """
    classes = classes_of(train_y)
    mean = train_x.double().mean(0).float()
    votes = knn_votes(train_x.float() - mean, torch.searchsorted(classes, train_y), test_x.float() - mean)
    shares = votes / votes.sum(1, keepdim=True)
    selected: Selected = {"selected_on": FIXED, "k": min(K, len(train_x)), "temperature": TEMPERATURE}
    return Prediction(classes[votes.argmax(1)], shares, selected)


# Those that choose something, and see standardised features.
LINEAR: dict[str, FitPredict] = {"ridge": ridge, "logistic": logistic, "sgd": sgd}
PROBES: dict[str, FitPredict] = {**LINEAR, "knn": knn}
# Those that run unless others are named; the scores of LOGITS are logits, whose softmax can be calibrated.
DEFAULT_PROBES = ("ridge", "logistic", "knn")
LOGITS = ("logistic", "sgd")


def fit_probe(
    name: str,
    train_x: Tensor,
    train_y: Tensor,
    test_x: Tensor,
    *,
    validation: Tensor | None = None,
    standardise: bool = True,
    probes: Mapping[str, FitPredict] = PROBES,
) -> Prediction:
    """A probe by its name: the options reach those of ``LINEAR``, the others have nothing to choose and do not scale.

    Args:
        name: of the probe.
        train_x: features to learn from, those of the split's validation part among them, (n, dim), any float type.
        train_y: classes, (n,) int64.
        test_x: features to classify, (m, dim).
        validation: rows of ``train_x`` that are the split's validation part; None where it has none.
        standardise: whether features are divided by their standard deviation.
        probes: by name.
    """
    options = {"validation": validation, "standardise": standardise} if name in LINEAR else {}
    return probes[name](train_x, train_y, test_x, **options)


def check_probes(names: Sequence[str], probes: Mapping[str, FitPredict] = PROBES) -> tuple[str, ...]:
    """The names without repetitions.

    Raises:
        InputError: if there is none, or one that is no probe.
    """
    names = (names,) if isinstance(names, str) else names
    for name in names:
        if name not in probes:
            raise InputError(f"there is no probe {name!r}: choose from {', '.join(probes)}.")
    if not names:
        raise InputError(f"no probe is given: choose from {', '.join(probes)}.")
    return tuple(dict.fromkeys(names))
