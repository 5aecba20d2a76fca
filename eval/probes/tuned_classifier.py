"""End-to-end fine-tuning on a few labels, from top to bottom; of random weights, supervised training from scratch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import AdamW
from typing_extensions import TypedDict

from simclr.augment.addressed import permutation
from simclr.augment.virtual_samples import virtual_samples
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.models.head import ProjectionHead
from simclr.train.classifier import BATCH_NORM, build_classifier, scores_of, set_mode, tuned_layers
from simclr.train.layer_groups import layer_groups
from simclr.train.schedule import warmup_cosine
from simclr.views.encoder_inputs import augmented_inputs, plain_inputs

CHECK_EVERY = 10
PATIENCE = 5


@dataclass(frozen=True)
class FineTuning:
    """Settings of :func:`train_classifier`.

    Attributes:
        steps: most of them, each with one batch; 3 % are warm-up, then a cosine to 0.
        batch_size: training samples of a step; all of them where there are fewer.
        lr: peak rate of the classifier, under AdamW.
        layer_decay: factor for each layer further down, see ``simclr.train.layer_groups``.
        weight_decay: of weights.
        batch_norm: ``frozen``: statistics, scale and offset stay; ``affine``: scale and offset learn; ``train``:
            statistics are those of the batch, and running averages follow.
        augment: draw views with the operations of the encoder's own recipe.
        virtual: add as many virtual samples to each batch, mixtures of two of its samples of one class
            (``augment.virtual_samples``).
        seed: of the order of samples and of the views.

    Raises:
        InputError: naming the first setting that is out of range, and what is allowed.
    """

    steps: int = 200
    batch_size: int = 64
    lr: float = 2e-3
    layer_decay: float = 0.65
    weight_decay: float = 1e-4
    batch_norm: str = "frozen"
    augment: bool = True
    virtual: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch_norm not in BATCH_NORM:
            raise InputError(f"batch_norm is {self.batch_norm!r}: choose one of {', '.join(BATCH_NORM)}.")
        if self.steps < 1 or self.batch_size < 4:
            raise InputError(
                f"steps is {self.steps} and batch_size {self.batch_size}: give at least 1 step and 4 samples a batch."
            )
        if not 0 < self.layer_decay <= 1:
            raise InputError(f"layer_decay is {self.layer_decay}: it is a factor above 0 and at most 1.")


class FineTuningOptions(TypedDict, total=False):
    """The settings of :class:`FineTuning` that are to be other than usual."""

    steps: int
    batch_size: int
    lr: float
    layer_decay: float
    weight_decay: float
    batch_norm: str
    augment: bool
    virtual: bool
    seed: int


FROM_SCRATCH = FineTuning(batch_norm="train", layer_decay=1.0)
"""For an encoder with random weights: nothing in it is worth keeping."""


class Chosen(NamedTuple):
    """What was chosen on held-out samples.

    Attributes:
        steps: how many the classifier was trained for.
        accuracy: on the held-out samples after so many, in [0, 1]; None where none are held out.
    """

    steps: int
    accuracy: float | None


class FineTuned(NamedTuple):
    """A classifier on top of an encoder copy that was trained with it.

    Attributes:
        model: inputs of the encoder (b, C, h, w) -> scores of the classes (b, K), in eval mode.
        classes: the class of each score, (K,) int64, ascending.
        selected: what was chosen on the training part.
    """

    model: nn.Sequential
    classes: Tensor
    selected: Chosen


class Targets(NamedTuple):
    """The classes that occur in a training part (K,), ascending, and each sample's place among them (n,); int64."""

    classes: Tensor
    y: Tensor


def targets_of(source: Source, train: Tensor) -> Targets:
    """What a classifier is to learn.

    Args:
        source: labelled samples.
        train: ids of those to train on, (n,) int64.

    Raises:
        InputError: with fewer than two classes, or an unlabelled training sample.
    """
    labels = source.labels
    if labels is None or bool((labels[train] < 0).any()):
        raise InputError("fine-tuning got a training sample without a label: leave unlabelled samples out.")
    targets = Targets(*labels[train].unique(return_inverse=True))
    if len(targets.classes) < 2:
        raise InputError(f"fine-tuning needs training samples of at least 2 classes, got {len(targets.classes)}.")
    return targets


def train_classifier(
    encoder: FrozenEncoder,
    source: Source,
    train: Tensor,
    held_out: Tensor,
    settings: FineTuning,
    *,
    head: ProjectionHead | None = None,
    device: torch.device | str = "cpu",
    stepped: Callable[[], None] | None = None,
) -> FineTuned:
    """Trains a copy of an encoder and a classifier; looks at the samples ``train`` and their labels alone.

    Two passes: the first leaves the held-out samples out, looks at the accuracy there every ``CHECK_EVERY`` steps and
    finds the best number of steps (the largest of equals: cross-entropy stops too early); the second trains anew for so
    many steps on the whole training part. Where nothing is held out, all steps are taken.

    Args:
        encoder: as of ``simclr.load_encoder``.
        source: labelled samples.
        train: ids to train on, (n,) int64.
        held_out: rows of ``train`` that the number of steps is chosen on, ascending, (m,) int64; none when empty.
        settings: how to train.
        head: the projection head g (``simclr.encoder_file.load_head``): the classifier then stands on its first layer
            (linear, BatchNorm, ReLU), which is trained too, as in SimCLR v2; on h when None.
        device: where training runs.
        stepped: called after each step.

    Raises:
        InputError: as :func:`targets_of`, or the encoder has no recipe to draw views with.

    Source: Chen et al., ICML 2020, B.8 (fine-tuning); "Big self-supervised models", NeurIPS 2020, section 2 (from the
        head's first layer).
    """
    # What there is to learn from.
    classes, targets = targets_of(source, train)
    plain = plain_inputs(encoder, source, device)
    draw = augmented_inputs(encoder, source, settings.seed, device) if settings.augment else None
    everything = torch.arange(len(train))
    passes = [(everything, held_out[:0])]
    if len(held_out):
        passes.insert(0, (everything[~torch.isin(everything, held_out)], held_out))

    total_steps = settings.steps
    accuracy: float | None = None
    for rows, watched in passes:
        # What learns.
        model = build_classifier(encoder.encoder, head, plain, train, len(classes), settings.batch_norm, device)
        optimizer = AdamW(layer_groups(tuned_layers(model), settings.lr, settings.layer_decay, settings.weight_decay))
        peaks = [group["lr"] for group in optimizer.param_groups]
        generator = torch.Generator().manual_seed(settings.seed)
        best, best_steps = -1.0, total_steps

        for step, batch in zip(range(total_steps), _batches(rows, settings.batch_size, settings.seed)):
            set_mode(model, settings.batch_norm)
            ids, y = train[batch], targets[batch]
            x = draw(ids, step) if draw else plain(ids)
            if settings.virtual:
                more, classes_of_more = virtual_samples(x, y, len(x), generator=generator)
                x, y = torch.cat([x, more]), torch.cat([y, classes_of_more])
            loss = F.cross_entropy(model(x), y.to(device))
            loss.backward()
            for group, peak in zip(optimizer.param_groups, peaks):
                group["lr"] = warmup_cosine(step, settings.steps, max(1, settings.steps * 3 // 100), peak)
            optimizer.step()
            optimizer.zero_grad()
            if stepped is not None:
                stepped()

            done = step + 1
            if len(watched) and (done % CHECK_EVERY == 0 or done == total_steps):
                right = scores_of(model, plain, train[watched]).argmax(1) == targets[watched]
                value = float(right.double().mean())
                # A handful of samples ties often; then longer training is the better guess.
                if value >= best:
                    best, best_steps = value, done
                elif done - best_steps >= PATIENCE * CHECK_EVERY:
                    break
        if len(watched):
            total_steps, accuracy = best_steps, best
    return FineTuned(model.eval(), classes, Chosen(total_steps, accuracy))


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


def _batches(rows: Tensor, batch_size: int, seed: int) -> Iterator[Tensor]:
    """Batches of rows without end: each epoch in a new order, in parts of nearly one size, so none of a single row."""
    parts = max(1, -(-len(rows) // batch_size))
    epoch = 0
    while True:
        yield from rows[permutation(seed, epoch, len(rows))].tensor_split(parts)
        epoch += 1
