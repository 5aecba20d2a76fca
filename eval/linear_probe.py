"""Linear classifiers on frozen features, each chosen on its training samples alone.

``ridge`` and ``logistic`` see features standardised by the training samples' mean and standard deviation
(scikit-learn's StandardScaler).

- ``ridge``: least squares on one-hot (+1/-1) targets, the penalty chosen by exact leave-one-out squared error. Equal to
  scikit-learn's ``RidgeClassifierCV(ALPHAS)``, but for all penalties from one eigendecomposition.
- ``logistic``: scikit-learn's ``LogisticRegression(C=LOGISTIC_C, tol=LOGISTIC_TOL, max_iter=LOGISTIC_MAX_ITER)``.
- ``knn``: weighted cosine kNN with fixed k on features that are centred on the training mean but not scaled: features
  behind a ReLU all point one way, where neighbours count for nothing and the largest class wins; scaling would blow up
  pixels that hardly ever change.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from torch import Tensor

from eval.knn import TEMPERATURE, K, knn_votes
from eval.prediction import FitPredict, Prediction, classes_of

HEADLINE = "logistic"
ALPHAS = np.logspace(-4, 6, 41)
LOGISTIC_C = 1.0
# The largest gradient entry of the mean loss at which L-BFGS stops: scikit-learn's default of 1e-4 stops visibly early.
LOGISTIC_TOL = 1e-6
LOGISTIC_MAX_ITER = 10_000
ONE_THREAD_BELOW = 1_000_000


def ridge_path(x: Tensor, targets: Tensor, alphas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Ridge regression with an unpenalised intercept for many penalties at once, with exact leave-one-out errors.

    With x and targets centred and x = U S Vᵀ, the hat matrix is H = 11ᵀ/n + U S²/(S² + alpha) Uᵀ, and the error at a
    sample that was left out is its residual / (1 - H_ii).

    Args:
        x: features, (n, dim) float64.
        targets: (n, t) float64.
        alphas: penalties, (a,) float64, positive.

    Returns:
        mean leave-one-out squared errors (a,), weights (a, dim, t), intercepts (a, t).

    Source: Golub, Heath & Wahba, "Generalized cross-validation", Technometrics 1979; Allen's PRESS, 1974.
    """
    n, dim = x.shape
    x_mean, target_mean = x.mean(0), targets.mean(0)
    centred, residual_targets = x - x_mean, targets - target_mean
    if n > dim:
        squares, right = torch.linalg.eigh(centred.T @ centred)
        scaled = centred @ right  # U S
    else:
        squares, left = torch.linalg.eigh(centred @ centred.T)
        squares = squares.clamp_min(0)
        scaled = left * squares.sqrt()
        # V S = xᵀ U; a zero singular value leaves a zero column, which the division below never touches.
        right = centred.T @ left
        right = right / squares.sqrt().where(squares > squares.max() * 1e-14, torch.inf)
    shrink = 1.0 / (squares.clamp_min(0)[None, :] + alphas[:, None])  # (a, r)
    inner = shrink[:, :, None] * (scaled.T @ residual_targets)  # (a, r, t)
    leverage = 1.0 / n + scaled.square() @ shrink.T  # (n, a)
    errors = torch.stack(
        [((residual_targets - scaled @ b) / (1 - leverage[:, i, None])).square().mean() for i, b in enumerate(inner)]
    )
    weights = right @ inner
    return errors, weights, target_mean - x_mean @ weights


def ridge(train_x: Tensor, train_y: Tensor, test_x: Tensor) -> Prediction:
    """Ridge classifier: the penalty of ``ALPHAS`` with the least leave-one-out squared error on the training samples.

    Args:
        train_x: features, (n, dim), any float type.
        train_y: classes, (n,) int64.
        test_x: features to classify, (m, dim).

    Returns:
        The classes, the regression's values as scores, and the chosen ``alpha``.

    Raises:
        InputError: if the training samples hold fewer than two classes or an unlabelled one.
    """
    train, test, classes = _standardised(train_x, train_y, test_x)
    x = torch.from_numpy(train)
    targets = 2.0 * (train_y[:, None] == classes[None, :]).double() - 1.0
    errors, weights, intercepts = ridge_path(x, targets, torch.from_numpy(ALPHAS))
    best = int(errors.argmin())
    decision = torch.from_numpy(test) @ weights[best] + intercepts[best]
    return Prediction(classes[decision.argmax(1)], decision, {"alpha": float(ALPHAS[best])})


def logistic(train_x: Tensor, train_y: Tensor, test_x: Tensor) -> Prediction:
    """Multinomial logistic regression with an L2 penalty of fixed strength ``LOGISTIC_C`` (nothing is chosen).

    Args and errors: as in :func:`ridge`. The scores are logits; ``selected`` holds ``C``, the ``iterations`` used and
    whether the solver ``converged`` to ``LOGISTIC_TOL``.
    """
    train, test, classes = _standardised(train_x, train_y, test_x)
    model = LogisticRegression(C=LOGISTIC_C, tol=LOGISTIC_TOL, max_iter=LOGISTIC_MAX_ITER)
    # One thread: a few hundred rows are solved in thousands of tiny products, which threads only slow down.
    with (
        warnings.catch_warnings(record=True) as caught,
        threadpool_limits(1 if train.size < ONE_THREAD_BELOW else None),
    ):
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(train, train_y.numpy())
    converged = not any(issubclass(w.category, ConvergenceWarning) for w in caught)
    selected = {"C": LOGISTIC_C, "iterations": int(model.n_iter_.max()), "converged": converged}
    logits = torch.from_numpy(model.decision_function(test))
    if len(classes) == 2:
        logits = torch.stack([-logits / 2, logits / 2], 1)
    return Prediction(classes[logits.argmax(1)], logits, selected)


def knn(train_x: Tensor, train_y: Tensor, test_x: Tensor) -> Prediction:
    """Weighted cosine kNN with fixed k and temperature on centred features; a score is a class's share of the votes.

    Otherwise as :func:`ridge`.
    """
    classes = classes_of(train_y)
    mean = train_x.double().mean(0).float()
    votes = knn_votes(train_x.float() - mean, torch.searchsorted(classes, train_y), test_x.float() - mean)
    shares = votes / votes.sum(1, keepdim=True)
    return Prediction(classes[votes.argmax(1)], shares, {"k": min(K, len(train_x)), "temperature": TEMPERATURE})


PROBES: dict[str, FitPredict] = {"ridge": ridge, "logistic": logistic, "knn": knn}


def _standardised(train_x: Tensor, train_y: Tensor, test_x: Tensor) -> tuple[np.ndarray, np.ndarray, Tensor]:
    """Both feature sets in float64 by the training mean and deviation, and the classes of the training samples."""
    train, test = train_x.double().numpy(), test_x.double().numpy()
    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test), classes_of(train_y)
