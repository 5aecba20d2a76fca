"""Classifiers on frozen features, each chosen on its training samples alone.

``ridge``, ``logistic`` and ``sgd`` see features standardised by the training samples' mean and standard deviation
(scikit-learn's StandardScaler), unless told not to. What they choose they choose on the validation part of the split
where it has one, by accuracy, and then learn from training and validation samples together.

- ``ridge``: least squares on one-hot (+1/-1) targets, the penalty chosen by exact leave-one-out squared error where the
  split has no validation part. Equal to scikit-learn's ``RidgeClassifierCV(ALPHAS)``, but for all penalties from one
  eigendecomposition.
- ``logistic``: L2 logistic regression, see ``eval.probes.logistic_probe``.
- ``sgd``: a linear layer by SGD, see ``eval.probes.sgd_probe``; runs when it is named.
- ``knn``: weighted cosine kNN with fixed k on features that are centred on the training mean but not scaled: features
  behind a ReLU all point one way, where neighbours count for nothing and the largest class wins; scaling would blow up
  pixels that hardly ever change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from eval.probes.knn import knn
from eval.probes.logistic_probe import logistic
from eval.probes.prediction import FitPredict, Prediction
from eval.probes.prototypes import PROTOTYPES
from eval.probes.ridge_probe import ridge
from eval.probes.sgd_probe import sgd
from simclr.errors import InputError

HEADLINE = "logistic"
# Those that choose something, and see standardised features.
LINEAR: dict[str, FitPredict] = {"ridge": ridge, "logistic": logistic, "sgd": sgd}
PROBES: dict[str, FitPredict] = {**LINEAR, "knn": knn}
# Those that run unless others are named; the scores of LOGITS are logits, whose softmax can be calibrated.
DEFAULT_PROBES = ("ridge", "logistic", "knn")
LOGITS = ("logistic", "sgd")

ALL_PROBES: dict[str, FitPredict] = {**PROTOTYPES, **PROBES}
FEW_SHOT_HEADLINE = "ridge"
FEW_SHOT_PROBES = (*PROTOTYPES, FEW_SHOT_HEADLINE)


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
