"""Classifiers on frozen features, each chosen on its training samples alone.

``ridge``, ``logistic`` and ``sgd`` see features standardised by the training samples' mean and standard deviation
(scikit-learn's StandardScaler), unless told not to. What they choose they choose on the validation part of the split
where it has one, by accuracy (those with logits by their cross entropy among equals), and then learn from training and
validation samples together.

- ``ridge``: least squares on one-hot (+1/-1) targets, the penalty chosen by exact leave-one-out squared error where the
  split has no validation part. Equal to scikit-learn's ``RidgeClassifierCV(ALPHAS)``, but for all penalties from one
  eigendecomposition.
- ``logistic``: L2 logistic regression, see ``simclr.eval.probes.logistic_probe``.
- ``sgd``: a linear layer by SGD, see ``simclr.eval.probes.sgd_probe``; runs when it is named.
- ``knn``: weighted cosine kNN with fixed k on features that are centred on the training mean but not scaled: features
  behind a ReLU all point one way, where neighbours count for nothing and the largest class wins; scaling would blow up
  pixels that hardly ever change.

A probe of your own is one file with a ``Probe(fit, title, …)`` and one line in ``PROBES``; ``--probes`` then takes its
name, and results have rows of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from simclr.augment.checks import shown
from simclr.errors import InputError
from simclr.eval.probes.prediction import Prediction, Probe
from simclr.eval.splits.amounts import listed
from simclr.eval.subject.rows import Matrix, in_memory
from simclr.recipe.choice import no_such
from simclr.registry import Registry

PROBES: Registry[Probe] = Registry(
    {
        "prototype euclidean": "simclr.eval.probes.prototype_probe:EUCLIDEAN",
        "prototype standardized": "simclr.eval.probes.prototype_probe:STANDARDIZED",
        "prototype cosine": "simclr.eval.probes.prototype_probe:COSINE",
        "prototype mahalanobis": "simclr.eval.probes.prototype_probe:MAHALANOBIS",
        "ridge": "simclr.eval.probes.ridge_probe:PROBE",
        "logistic": "simclr.eval.probes.logistic_probe:PROBE",
        "sgd": "simclr.eval.probes.sgd_probe:PROBE",
        "knn": "simclr.eval.probes.knn:PROBE",
    }
)
# Those that run unless others are named, and those that summaries are of.
DEFAULT_PROBES = ("ridge", "logistic", "knn")
HEADLINE = "logistic"
FEW_SHOT_HEADLINE = "ridge"
FEW_SHOT_PROBES = (*(name for name in PROBES if name.startswith("prototype")), FEW_SHOT_HEADLINE)


def fit_probe(
    name: str,
    train_x: Matrix,
    train_y: Tensor,
    test_x: Matrix,
    /,
    *,
    validation: Tensor | None = None,
    standardise: bool = True,
    all_penalties: bool = False,
    say: Callable[[str], None] | None = None,
) -> Prediction:
    """A probe by its name: the options reach those that choose, the others have nothing to choose and do not scale.

    Args:
        name: of the probe.
        train_x: features to learn from, those of the split's validation part among them, (n, dim), any float type.
        train_y: classes, (n,) int64.
        test_x: features to classify, (m, dim).
        validation: rows of ``train_x`` that are the split's validation part; None where it has none.
        standardise: whether features are divided by their standard deviation.
        all_penalties: whether a probe that ends its search early goes to the end of it.
        say: told by a probe whose search is long how long it takes, where it is.

    Raises:
        InputError: no column, or rows on disk that a probe without ``tiles`` cannot take into the memory.
    """
    probe = PROBES[name]
    if train_x.shape[1] == 0:
        raise InputError(f"features are {tuple(train_x.shape)}: they have no columns, so nothing tells samples apart.")
    if not probe.tiles:
        train_x, test_x = in_memory(train_x, f"the probe {name}"), in_memory(test_x, f"the probe {name}")
    options: dict[str, Any] = {"validation": validation, "standardise": standardise} if probe.chooses else {}
    if probe.stops:
        options |= {"all_penalties": all_penalties, "say": say}
    return probe.fit(train_x, train_y, test_x, **options)


def check_probes(names: str | Sequence[str]) -> tuple[str, ...]:
    """The names without repetitions.

    Raises:
        InputError: if there is none, or one that is no probe.
    """
    asked = [names] if isinstance(names, str) else listed(names)
    if asked is None:
        raise InputError(f"probes is {shown(names)}: give names, of {', '.join(PROBES)}.")
    for name in asked:
        if not isinstance(name, str) or name not in PROBES:
            if isinstance(name, str):
                raise no_such("probe", name, PROBES)
            raise InputError(f"there is no probe {shown(name)}: choose from {', '.join(PROBES)}.")
    if not asked:
        raise InputError(f"no probe is given: choose from {', '.join(PROBES)}.")
    return tuple(dict.fromkeys(map(str, asked)))
