"""SimCLR's own linear evaluation: a linear layer trained by SGD on frozen features, for several learning rates at once.

Nesterov momentum 0.9, no weight decay, 90 epochs, the learning rate a multiple of 0.1 * batch / 256, down to 0 along a
cosine. One pass serves all learning rates: the layer has a column of weights for each. The rate is chosen by the
accuracy after the last epoch on held-out training samples (the split's validation part, or a share of each class),
among equals by their cross entropy (:mod:`simclr.eval.probes.choice`), then trained again on all of them. Unlike the
paper's, the features are of images without random crops and flips.

Source: Chen et al., "A simple framework for contrastive learning of visual representations", ICML 2020, appendix B.6.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from simclr.augment.addressed import permutation
from simclr.errors import InputError
from simclr.eval.metrics.calibration import fit_temperature
from simclr.eval.probes.choice import best_of
from simclr.eval.probes.prediction import Linear, Prediction, Probe, Selected, answer, classes_of, fit_standardisation
from simclr.eval.splits.validation import FIXED, Parts, columns_of, parts_of
from simclr.eval.streams import Stream
from simclr.eval.subject.rows import Matrix, Rows, labelled_tiles, rows_of

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
PAPERS_RATE = 0.1
EPOCHS = 90
SGD_BATCH = 256
MOMENTUM = 0.9


def sgd_path(
    x: Matrix,
    y: Tensor,
    num_classes: int,
    rates: Tensor,
    epochs: int = EPOCHS,
    batch_size: int = SGD_BATCH,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Softmax regression by SGD from zero weights, for several learning rates side by side on the same batches.

    Equal to ``torch.optim.SGD(momentum=0.9, nesterov=True)`` on the mean cross entropy of each batch. The order of an
    epoch is ``augment.addressed.permutation(seed, Stream.SGD + epoch, n)``; samples that do not fill the last batch
    wait for the next epoch's order.

    Args:
        x: features, (n, dim), any float type and device; of rows on disk each batch is read when its turn comes.
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
    problems, first = len(rates), x[torch.zeros(1, dtype=torch.int64)]
    # The learning rate is the last axis, so that softmax runs over contiguous memory.
    weights, intercepts = first.new_zeros(dim, num_classes * problems), first.new_zeros(num_classes * problems)
    parameters = [weights, intercepts]
    velocity = [torch.zeros_like(p) for p in parameters]
    rates = rates.to(first).repeat(num_classes)
    per_epoch = n // batch_size
    for epoch in range(epochs):
        order = permutation(seed, Stream.SGD + epoch, n, first.device)
        for step in range(per_epoch):
            ids = order[step * batch_size : (step + 1) * batch_size]
            batch, truth = x[ids], y[ids]
            p = torch.addmm(intercepts, batch, weights).view(batch_size, num_classes, problems).softmax(1)
            p[torch.arange(batch_size, device=first.device), truth] -= 1
            residual = p.view(batch_size, -1) / batch_size
            lr = rates * (0.5 + 0.5 * math.cos(math.pi * (epoch * per_epoch + step) / (epochs * per_epoch)))
            for parameter, v, g in zip(parameters, velocity, (batch.T @ residual, residual.sum(0))):
                v.mul_(MOMENTUM).add_(g)
                parameter -= lr * (g + MOMENTUM * v)
    return weights.view(dim, num_classes, problems).permute(2, 0, 1), intercepts.view(num_classes, problems).T


def sgd(
    train_x: Matrix,
    train_y: Tensor,
    test_x: Matrix,
    *,
    validation: Tensor | None = None,
    standardise: bool = True,
    epochs: int = EPOCHS,
    batch_size: int = SGD_BATCH,
    device: torch.device | str = "cpu",
) -> Prediction:
    """Linear layer by SGD, its learning rate chosen on held-out samples; the paper's own where none can be spared.

    Args:
        train_x: features, (n, dim), any float type.
        train_y: classes, (n,) int64.
        test_x: features to classify, (m, dim).
        validation: rows of the training samples on which the rate is chosen; None holds a share of each class out.
        standardise: divide features by their standard deviation over the samples that are fitted to; they are centred
            either way. It moves the best learning rate a hundredfold.
        epochs: as of :func:`sgd_path`.
        batch_size: as of :func:`sgd_path`.
        device: where it is trained, in float32.

    Returns:
        The classes, logits as scores, and in ``selected``: the ``rule`` and what it was ``selected_on``, the ``lr``,
        and where samples were held out their number, ``validation_samples``, the best ``validation_accuracy``, the
        ``validation_loss`` with it (mean cross entropy), and the ``temperature`` that calibrates their logits.

    Raises:
        InputError: if the training samples hold fewer than two classes or an unlabelled one.
    """
    classes = classes_of(train_y)
    parts = parts_of(train_y, validation)
    rate = PAPERS_RATE
    selected: Selected = {"rule": "fixed: too few training samples to hold any out", "selected_on": FIXED}
    if len(parts.held_out):
        rate, selected = _choose(train_x, train_y, parts, standardise, epochs, batch_size, device)
    lr = rate * min(batch_size, len(train_y)) / 256
    units = fit_standardisation(train_x, standardise)
    train = _moved(units(train_x), device)
    y = torch.searchsorted(classes, train_y).to(device)
    weights, intercepts = sgd_path(train, y, len(classes), torch.tensor([lr]), epochs, batch_size)

    def decide(x: Tensor) -> Tensor:
        return (units(x).float().to(device) @ weights[0] + intercepts[0]).cpu()

    found = answer(decide, classes, test_x)
    selected |= {
        "lr": lr,
        "epochs": epochs,
        "batch_size": min(batch_size, len(train_y)),
        "standardised": standardise,
    }
    return Prediction(found.classes, found.scores, selected, lambda x: answer(decide, classes, x).classes)


def _moved(x: Matrix, device: torch.device | str) -> Matrix:
    """In float32 on a device; rows on disk when they are read."""
    return x.mapped(lambda piece: piece.float().to(device)) if isinstance(x, Rows) else x.float().to(device)


def _choose(
    x: Matrix,
    y: Tensor,
    parts: Parts,
    standardise: bool,
    epochs: int,
    batch_size: int,
    device: torch.device | str,
) -> tuple[float, Selected]:
    """The best of ``RATES`` on the held-out samples, for a batch of 256."""
    fit, held_out, selected_on = parts
    classes = classes_of(y[fit])
    lrs = torch.tensor(RATES) * (min(batch_size, len(fit)) / 256)
    units = fit_standardisation(rows_of(x, fit), standardise)
    train, rest = (_moved(units(rows_of(x, rows)), device) for rows in (fit, held_out))
    target = torch.searchsorted(classes, y[fit]).to(device)
    weights, intercepts = sgd_path(train, target, len(classes), lrs, epochs, batch_size)
    # A class that only the held-out samples have is never recognised.
    truth = columns_of(classes, y[held_out])
    lines = [Linear(*line) for line in zip(weights, intercepts)]
    right = torch.zeros(len(lines), dtype=torch.int64)
    known, loss = truth >= 0, torch.zeros(len(lines), dtype=torch.float64)
    for tile, mine in labelled_tiles(rest, truth, len(classes)):
        for i, line in enumerate(lines):
            logits = line(tile).cpu()
            right[i] += (logits.argmax(1) == mine).sum()
            loss[i] += cross_entropy(logits[mine >= 0].double(), mine[mine >= 0], reduction="sum")
    loss /= known.sum()
    best = best_of(right, loss)
    scores = answer(lambda tile: lines[best](tile), classes.to(device), rest).scores
    temperature: Selected = (
        {} if scores is None else {"temperature": fit_temperature(scores.cpu()[known], truth[known])}
    )
    return RATES[best], {
        "rule": f"the most accurate of {len(RATES)} learning rates on held-out samples, the likeliest among equals",
        "selected_on": selected_on,
        "validation_samples": len(held_out),
        "validation_accuracy": float(right[best]) / len(held_out),
        "validation_loss": float(loss[best]),
        **temperature,
    }


PROBE = Probe(sgd, "sgd", chooses=True, logits=True, tiles=True, settings={})
