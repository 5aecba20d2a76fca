"""Classifiers on frozen features, each chosen on its training samples alone.

``ridge``, ``logistic`` and ``sgd`` see features standardised by the training samples' mean and standard deviation
(scikit-learn's StandardScaler), unless told not to.

- ``ridge``: least squares on one-hot (+1/-1) targets, the penalty chosen by exact leave-one-out squared error. Equal to
  scikit-learn's ``RidgeClassifierCV(ALPHAS)``, but for all penalties from one eigendecomposition.
- ``logistic``: L2 logistic regression, see ``eval.logistic_probe``.
- ``sgd``: a linear layer by SGD, see ``eval.sgd_probe``; runs when it is named.
- ``knn``: weighted cosine kNN with fixed k on features that are centred on the training mean but not scaled: features
  behind a ReLU all point one way, where neighbours count for nothing and the largest class wins; scaling would blow up
  pixels that hardly ever change.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from eval.knn import TEMPERATURE, K, knn_votes
from eval.logistic_probe import logistic
from eval.prediction import FitPredict, Prediction, classes_of
from eval.ridge_path import ridge_path
from eval.sgd_probe import sgd
from eval.standardise import standardised

HEADLINE = "logistic"
ALPHAS = np.logspace(-6, 5, 45)


def ridge(train_x: Tensor, train_y: Tensor, test_x: Tensor, *, standardise: bool = True) -> Prediction:
    """Ridge classifier: the penalty of ``ALPHAS`` with the least leave-one-out squared error on the training samples.

    Args:
        train_x: features, (n, dim), any float type.
        train_y: classes, (n,) int64.
        test_x: features to classify, (m, dim).
        standardise: divide features by their standard deviation over the training samples.

    Returns:
        The classes, the regression's values as scores, and the chosen ``alpha``.

    Raises:
        InputError: if the training samples hold fewer than two classes or an unlabelled one.
    """
    classes = classes_of(train_y)
    train, test = standardised(train_x, test_x, standardise)
    targets = 2.0 * (train_y[:, None] == classes[None, :]).double() - 1.0
    errors, weights, intercepts = ridge_path(train, targets, torch.from_numpy(ALPHAS))
    best = int(errors.argmin())
    decision = test @ weights[best] + intercepts[best]
    return Prediction(
        classes[decision.argmax(1)], decision, {"alpha": float(ALPHAS[best]), "standardised": standardise}
    )


def knn(train_x: Tensor, train_y: Tensor, test_x: Tensor) -> Prediction:
    """Weighted cosine kNN with fixed k and temperature on centred features; a score is a class's share of the votes.

    Otherwise as :func:`ridge`.
    """
    classes = classes_of(train_y)
    mean = train_x.double().mean(0).float()
    votes = knn_votes(train_x.float() - mean, torch.searchsorted(classes, train_y), test_x.float() - mean)
    shares = votes / votes.sum(1, keepdim=True)
    return Prediction(classes[votes.argmax(1)], shares, {"k": min(K, len(train_x)), "temperature": TEMPERATURE})


PROBES: dict[str, FitPredict] = {"ridge": ridge, "logistic": logistic, "sgd": sgd, "knn": knn}
# Those that run unless others are named; the scores of LOGITS are logits, whose softmax can be calibrated.
DEFAULT_PROBES = ("ridge", "logistic", "knn")
LOGITS = ("logistic", "sgd")
