"""Logistic regression as a probe: the protocol of SimCLR's transfer experiments where there are samples enough.

45 penalties, log-spaced from 1e-6 to 1e5, are fitted to a part of the training samples; the one with the most accurate
predictions for the rest (the strongest among equals) is fitted again to all of them. With fewer than
``SWEEP_FROM`` samples a class such a choice is noise: C is then ``FEW_SHOT_C``, and nothing is chosen.

The penalty stands before ½||W||², beside the sum of the samples' cross entropies: scikit-learn's C is 1 / penalty.

Source: Chen et al., "A simple framework for contrastive learning of visual representations", ICML 2020, appendix
B.8.1; Kornblith, Shlens & Le, "Do better ImageNet models transfer better?", CVPR 2019, appendix A.4.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eval.calibration import fit_temperature
from eval.logistic_path import LogisticPath, logistic_path
from eval.prediction import Prediction, Selected, classes_of
from eval.standardise import standardised
from eval.validation import validation_part

PENALTIES = torch.logspace(5, -6, 45, dtype=torch.float64)
SWEEP_FROM = 50
FEW_SHOT_C = 1.0
SWEEP_GAP = 1e-4
FINAL_GAP = 1e-8


def logistic(
    train_x: Tensor,
    train_y: Tensor,
    test_x: Tensor,
    *,
    standardise: bool = True,
    device: torch.device | str = "cpu",
) -> Prediction:
    """Multinomial logistic regression with an L2 penalty that is chosen on the training samples, or fixed for few.

    Args:
        train_x: features, (n, dim), any float type.
        train_y: classes, (n,) int64.
        test_x: features to classify, (m, dim).
        standardise: divide features by their standard deviation over the samples that are fitted to; they are centred
            either way.
        device: where the problems are solved, in float64.

    Returns:
        The classes, logits as scores, and in ``selected``: the ``rule``, ``C`` and ``penalty``, the proven relative
        ``gap`` of the fit, and where there was a choice the number of ``validation_samples``, their best
        ``validation_accuracy``, the largest ``sweep_gap`` and the ``temperature`` that calibrates the held-out logits.

    Raises:
        InputError: if the training samples hold fewer than two classes or an unlabelled one.
    """
    classes = classes_of(train_y)
    y = torch.searchsorted(classes, train_y)
    # scikit-learn's C of two classes belongs to one vector of weights, the difference of our two.
    scale = 2.0 if len(classes) == 2 else 1.0
    if len(y) < SWEEP_FROM * len(classes):
        penalty = 1 / FEW_SHOT_C
        selected: Selected = {"rule": f"fixed: fewer than {SWEEP_FROM} training samples a class on average"}
    else:
        penalty, selected = _choose(train_x, y, len(classes), scale, standardise, device)
    train, test = standardised(train_x.to(device), test_x.to(device), standardise)
    path = logistic_path(
        train, y.to(device), len(classes), torch.tensor([penalty * scale], dtype=torch.float64), FINAL_GAP
    )
    logits = _logits(path, test)[0].cpu()
    selected |= {"C": 1 / penalty, "penalty": penalty, "gap": float(path.gaps[0]), "standardised": standardise}
    return Prediction(classes[logits.argmax(1)], logits, selected)


def _choose(
    x: Tensor, y: Tensor, num_classes: int, scale: float, standardise: bool, device: torch.device | str
) -> tuple[float, Selected]:
    fit, held_out = validation_part(y)
    train, rest = standardised(x[fit].to(device), x[held_out].to(device), standardise)
    path = logistic_path(train, y[fit].to(device), num_classes, PENALTIES * scale, SWEEP_GAP)
    truth = y[held_out].to(device)
    logits = _logits(path, rest)
    accuracy = (logits.argmax(2) == truth).double().mean(1)
    # argmax gives the first of equals: the strongest penalty.
    best = int(accuracy.argmax())
    return float(PENALTIES[best]), {
        "rule": f"the most accurate of {len(PENALTIES)} penalties on a validation part of the training samples",
        "validation_samples": len(held_out),
        "validation_accuracy": float(accuracy[best]),
        "sweep_gap": float(path.gaps.max()),
        "temperature": fit_temperature(logits[best], truth),
    }


def _logits(path: LogisticPath, x: Tensor) -> Tensor:
    """(a, m, K)"""
    return x @ path.weights + path.intercepts[:, None]
