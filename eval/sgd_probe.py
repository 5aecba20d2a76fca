"""SimCLR's own linear evaluation: a linear layer trained by SGD on frozen features, for several learning rates at once.

Nesterov momentum 0.9, no weight decay, 90 epochs, the learning rate a multiple of 0.1 * batch / 256, down to 0 along a
cosine. One pass serves all learning rates: the layer has a column of weights for each. The rate is chosen by the
accuracy after the last epoch on a validation part of the training samples, then trained again on all of them. Unlike
the paper's, the features are of images without random crops and flips.

Source: Chen et al., "A simple framework for contrastive learning of visual representations", ICML 2020, appendix B.6.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from augment.addressed import permutation
from eval.calibration import fit_temperature
from eval.prediction import Prediction, classes_of
from eval.standardise import standardised
from eval.validation import validation_part
from simclr.errors import InputError

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
EPOCHS = 90
BATCH_SIZE = 256
MOMENTUM = 0.9


def sgd_path(
    x: Tensor,
    y: Tensor,
    num_classes: int,
    rates: Tensor,
    epochs: int = EPOCHS,
    batch_size: int = BATCH_SIZE,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Softmax regression by SGD from zero weights, for several learning rates side by side on the same batches.

    Equal to ``torch.optim.SGD(momentum=0.9, nesterov=True)`` on the mean cross entropy of each batch. The order of an
    epoch is ``augment.addressed.permutation(seed, epoch, n)``; samples that do not fill the last batch wait for the
    next epoch's order.

    Args:
        x: features, (n, dim), any float type and device.
        y: classes, (n,) int64, 0 <= y < num_classes.
        num_classes: K.
        rates: first learning rates, (a,) float, down to 0 along a cosine by step.
        epochs: passes over the samples.
        batch_size: clamped to n.
        seed: of the order.

    Returns:
        weights (a, dim, K) and intercepts (a, K).

    Raises:
        InputError: if epochs or the batch size is less than 1.
    """
    if epochs < 1 or batch_size < 1:
        raise InputError(f"epochs is {epochs} and batch_size {batch_size}: give 1 or more of each.")
    n, dim = x.shape
    batch_size = min(batch_size, n)
    problems = len(rates)
    # The learning rate is the last axis, so that softmax runs over contiguous memory.
    weights, intercepts = x.new_zeros(dim, num_classes * problems), x.new_zeros(num_classes * problems)
    parameters = [weights, intercepts]
    velocity = [torch.zeros_like(p) for p in parameters]
    rates = rates.to(x).repeat(num_classes)
    per_epoch = n // batch_size
    for epoch in range(epochs):
        order = permutation(seed, epoch, n, x.device)
        for step in range(per_epoch):
            ids = order[step * batch_size : (step + 1) * batch_size]
            batch, truth = x[ids], y[ids]
            p = torch.addmm(intercepts, batch, weights).view(batch_size, num_classes, problems).softmax(1)
            p[torch.arange(batch_size, device=x.device), truth] -= 1
            residual = p.view(batch_size, -1) / batch_size
            lr = rates * (0.5 + 0.5 * math.cos(math.pi * (epoch * per_epoch + step) / (epochs * per_epoch)))
            for parameter, v, g in zip(parameters, velocity, (batch.T @ residual, residual.sum(0))):
                v.mul_(MOMENTUM).add_(g)
                parameter -= lr * (g + MOMENTUM * v)
    return weights.view(dim, num_classes, problems).permute(2, 0, 1), intercepts.view(num_classes, problems).T


def sgd(
    train_x: Tensor,
    train_y: Tensor,
    test_x: Tensor,
    *,
    standardise: bool = True,
    epochs: int = EPOCHS,
    batch_size: int = BATCH_SIZE,
    device: torch.device | str = "cpu",
) -> Prediction:
    """Linear layer by SGD, its learning rate chosen on a validation part of the training samples.

    Args:
        train_x: features, (n, dim), any float type.
        train_y: classes, (n,) int64.
        test_x: features to classify, (m, dim).
        standardise: divide features by their standard deviation over the samples that are fitted to; they are centred
            either way. It moves the best learning rate a hundredfold.
        epochs: as of :func:`sgd_path`.
        batch_size: as of :func:`sgd_path`.
        device: where it is trained, in float32.

    Returns:
        The classes, logits as scores, and in ``selected``: the ``lr``, of how many it was chosen, the
        ``validation_accuracy``, and the ``temperature`` that calibrates the held-out logits.

    Raises:
        InputError: if the training samples hold fewer than two classes or an unlabelled one, or have no class of three
            or more samples: nothing could be held out.
    """
    classes = classes_of(train_y)
    y = torch.searchsorted(classes, train_y)
    fit, held_out = validation_part(y)
    if len(held_out) == 0:
        raise InputError("the sgd probe has too few training samples to choose a learning rate: use another probe.")
    rates = torch.tensor(RATES) * (min(batch_size, len(fit)) / 256)
    train, rest = (part.float() for part in standardised(train_x[fit], train_x[held_out], standardise))
    weights, intercepts = sgd_path(train.to(device), y[fit].to(device), len(classes), rates, epochs, batch_size)
    logits = rest.to(device) @ weights + intercepts[:, None]
    accuracy = (logits.argmax(2) == y[held_out].to(device)).double().mean(1)
    # argmax gives the first of equals: the smallest rate.
    best = int(accuracy.argmax())
    train, test = (part.float().to(device) for part in standardised(train_x, test_x, standardise))
    weights, intercepts = sgd_path(train, y.to(device), len(classes), rates[best : best + 1], epochs, batch_size)
    scores = (test @ weights[0] + intercepts[0]).cpu()
    selected = {
        "rule": f"the most accurate of {len(RATES)} learning rates on a validation part of the training samples",
        "lr": float(rates[best]),
        "epochs": epochs,
        "batch_size": min(batch_size, len(train_x)),
        "validation_samples": len(held_out),
        "validation_accuracy": float(accuracy[best]),
        "temperature": fit_temperature(logits[best].cpu(), y[held_out]),
        "standardised": standardise,
    }
    return Prediction(classes[scores.argmax(1)], scores, selected)
