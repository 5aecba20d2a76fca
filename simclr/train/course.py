"""What a run and its plan have in common: the steps that are taken, and what learns in them."""

from typing import NamedTuple

import torch
from torch import Tensor

from simclr.data import SampleOrder
from simclr.recipe.schema import Train
from simclr.train.grad_cache import micro_batch_sizes
from simclr.train.schedule import run_length, scaled_lr


class Course(NamedTuple):
    """The steps of a run.

    Attributes:
        order: which samples a step takes.
        total_steps: of the run.
        warmup_steps: of these, with a rising learning rate.
        peak_lr: reached then, scaled to the batch.
        sizes: images of a process's micro batches, which add up to its share of the batch.
    """

    order: SampleOrder
    total_steps: int
    warmup_steps: int
    peak_lr: float
    sizes: list[int]


def set_course(
    train: Train, samples: int, seed: int, rank: int, world_size: int, held_out: Tensor | None = None
) -> Course:
    """The steps of a run on ``samples`` samples less those that are ``held_out``, as one of its processes takes them.

    Raises:
        InputError: a batch that is larger than the source, or cannot be shared evenly.
    """
    ids = None
    if held_out is not None and len(held_out):
        learned = torch.ones(samples, dtype=torch.bool)
        learned[held_out] = False
        ids = learned.nonzero()[:, 0]
        samples = len(ids)
    order = SampleOrder(samples, train.batch_size, seed, rank, world_size, ids)
    steps = run_length(train.epochs, order.steps_per_epoch, train.warmup_epochs, train.max_steps)
    peak_lr = scaled_lr(train.lr, train.batch_size, train.lr_scaling)
    sizes = micro_batch_sizes(train.batch_size // world_size, train.micro_batch, world_size)
    return Course(order, *steps, peak_lr, sizes)
