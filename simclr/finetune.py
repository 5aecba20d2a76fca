"""End-to-end fine-tuning on a few labels; with an encoder of random weights, supervised training from scratch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import AdamW

from augment.addressed import permutation
from augment.virtual_samples import virtual_samples
from eval.splits.validation import FIXED, SHARE, parts_of, validation_part
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.models.head import ProjectionHead
from simclr.train.classifier import BATCH_NORM, build_classifier, scores_of, set_mode, tuned_layers
from simclr.train.layer_groups import layer_groups
from simclr.train.schedule import warmup_cosine
from simclr.views.encoder_inputs import augmented_inputs, plain_inputs

STEPS = 200
BATCH_SIZE = 64
CHECK_EVERY = 10
PATIENCE = 5
LAYER_DECAY = 0.65

FROM_SCRATCH: dict[str, Any] = {"batch_norm": "train", "layer_decay": 1.0}
"""Settings for an encoder with random weights: nothing in it is worth keeping."""


class FineTuned(NamedTuple):
    """A classifier on top of an encoder copy that was trained with it.

    Attributes:
        model: inputs of the encoder (b, C, h, w) -> scores of the classes (b, K), in eval mode.
        classes: the class of each score, (K,) int64, ascending.
        selected: how it was trained, and what was chosen on the training part.
    """

    model: nn.Sequential
    classes: Tensor
    selected: dict[str, Any]


def tuned_logits(
    tuned: FineTuned, encoder: FrozenEncoder, source: Source, ids: Tensor, device: torch.device | str = "cpu"
) -> Tensor:
    """Logits of the given samples, without augmentation: (n, K) float32 on the CPU.

    Args:
        tuned: as of :func:`train_classifier`.
        encoder: whose preprocessing it was trained with.
        source: where the samples are.
        ids: which ones, (n,) int64.
        device: where the model is.
    """
    return scores_of(tuned.model, plain_inputs(encoder, source, device), ids)


def train_classifier(
    encoder: FrozenEncoder,
    source: Source,
    train: Tensor,
    *,
    labels: Tensor | None = None,
    head: ProjectionHead | None = None,
    augment: bool = True,
    virtual: bool = False,
    steps: int = STEPS,
    batch_size: int = BATCH_SIZE,
    lr: float = 2e-3,
    layer_decay: float = LAYER_DECAY,
    weight_decay: float = 1e-4,
    batch_norm: str = "frozen",
    validation: float | Tensor = SHARE,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> FineTuned:
    """The training half of :func:`fine_tune`: looks at the samples ``train`` and their labels alone.

    Two passes: the first holds ``validation`` of the training part out, looks at the accuracy there every
    ``CHECK_EVERY`` steps and finds the best number of steps (the largest of equals: cross-entropy stops too early);
    the second trains anew for so many steps on the whole training part. Where no class can spare a sample nothing is
    held out and all steps are taken.

    Args:
        encoder: as of ``simclr.load_encoder``.
        source: labelled samples.
        train: ids to train on, (n,) int64.
        labels: class of each sample, (N,) int64; the source's when None.
        head: the projection head g (``simclr.encoder_file.load_head``): the classifier then stands on its first layer
            (linear, BatchNorm, ReLU), which is trained too, as in SimCLR v2; on h when None.
        augment: draw views with the operations of the encoder's own recipe.
        virtual: add as many virtual samples to each batch, mixtures of two of its samples of one class
            (``augment.virtual_samples``).
        steps: most of them, each with one batch; 3 % are warm-up, then a cosine to 0.
        batch_size: training samples of a step; all of them where there are fewer.
        lr: peak rate of the classifier, under AdamW.
        layer_decay: factor for each layer further down, see ``simclr.train.layer_groups``.
        weight_decay: of weights.
        batch_norm: ``frozen``: statistics, scale and offset stay; ``affine``: scale and offset learn; ``train``:
            statistics are those of the batch, and running averages follow.
        validation: share of each class's training samples held out in the first pass (``eval.splits.validation``; 0
            takes all steps), or the ids of those to hold out.
        seed: of the order of samples, the views and the validation part.
        device: where training runs.

    Raises:
        InputError: with fewer than two classes, an unlabelled training sample, or settings out of range.

    Source: Chen et al., ICML 2020, B.8 (fine-tuning); "Big self-supervised models", NeurIPS 2020, section 2 (from the
        head's first layer).
    """
    check_settings(steps, batch_size, layer_decay, batch_norm)
    known = source.labels if labels is None else labels
    if known is None or bool((known[train] < 0).any()):
        raise InputError("fine-tuning got a training sample without a label: leave unlabelled samples out.")
    classes, target = known[train].unique(return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"fine-tuning needs training samples of at least 2 classes, got {len(classes)}.")
    plain = plain_inputs(encoder, source, device)
    draw = augmented_inputs(encoder, source, seed, device) if augment else (lambda ids, step: plain(ids))

    def run(rows: Tensor, last: int, held: Tensor | None) -> tuple[nn.Sequential, int, float | None]:
        model = build_classifier(encoder, head, plain, train, len(classes), batch_norm, device)
        groups = layer_groups(tuned_layers(model), lr, layer_decay, weight_decay)
        peaks = [group["lr"] for group in groups]
        optimizer = AdamW(groups)
        best, best_step = -1.0, last
        generator = torch.Generator().manual_seed(seed)
        for step, chosen in zip(range(last), _batches(rows, batch_size, seed)):
            for group, peak in zip(optimizer.param_groups, peaks):
                group["lr"] = warmup_cosine(step, steps, max(1, steps * 3 // 100), peak)
            set_mode(model, batch_norm)
            x, y = draw(train[chosen], step), target[chosen]
            if virtual:
                more, classes_of_more = virtual_samples(x, y, len(x), generator=generator)
                x, y = torch.cat([x, more]), torch.cat([y, classes_of_more])
            loss = F.cross_entropy(model(x), y.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done = step + 1
            if held is not None and (done % CHECK_EVERY == 0 or done == last):
                value = float((scores_of(model, plain, train[held]).argmax(1) == target[held]).double().mean())
                # A handful of samples ties often; then longer training is the better guess.
                if value >= best:
                    best, best_step = value, done
                elif done - best_step >= PATIENCE * CHECK_EVERY:
                    break
        return model.eval(), best_step, None if held is None else best

    everything = torch.arange(len(train))
    if isinstance(validation, Tensor):
        fit, held, selected_on = parts_of(target, torch.nonzero(torch.isin(train, validation)).flatten())
    else:
        fit, held = validation_part(target, validation, seed)
        selected_on = f"{100 * validation:g} % of the training samples of each class, held out"
    chosen_steps, accuracy = steps, None
    if len(held):
        _, chosen_steps, accuracy = run(fit, steps, held)
    model, _, _ = run(everything, chosen_steps, None)
    selected = {
        "steps": chosen_steps,
        "most_steps": steps,
        "selected_on": selected_on if len(held) else FIXED,
        "validation_samples": len(held),
        "validation_accuracy": accuracy,
        "from_layer": "h" if head is None else "first layer of the head",
        "augment": augment,
        "virtual_samples": virtual,
        "optimizer": "adamw",
        "lr": lr,
        "layer_decay": layer_decay,
        "weight_decay": weight_decay,
        "batch_size": min(batch_size, len(train)),
        "batch_norm": batch_norm,
    }
    return FineTuned(model, classes, selected)


def check_settings(
    steps: int = STEPS, batch_size: int = BATCH_SIZE, layer_decay: float = LAYER_DECAY, batch_norm: str = "frozen"
) -> None:
    """Refuses settings of :func:`train_classifier` that are out of range.

    Raises:
        InputError: naming the first of them and what is allowed.
    """
    if batch_norm not in BATCH_NORM:
        raise InputError(f"batch_norm is {batch_norm!r}: choose one of {', '.join(BATCH_NORM)}.")
    if steps < 1 or batch_size < 4:
        raise InputError(f"steps is {steps} and batch_size {batch_size}: give at least 1 step and 4 samples a batch.")
    if not 0 < layer_decay <= 1:
        raise InputError(f"layer_decay is {layer_decay}: it is a factor above 0 and at most 1.")


def _batches(rows: Tensor, batch_size: int, seed: int) -> Iterator[Tensor]:
    """Batches of rows without end: each pass in a new order, in parts of nearly one size, so none of a single row."""
    parts = max(1, -(-len(rows) // batch_size))
    epoch = 0
    while True:
        yield from rows[permutation(seed, epoch, len(rows))].tensor_split(parts)
        epoch += 1
