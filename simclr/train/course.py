"""The steps that a run takes, of either kind, and what learns in them."""

from typing import NamedTuple

import torch
from torch import Tensor

from simclr.data import SampleOrder
from simclr.data.class_order import ClassOrder
from simclr.data.cluster_order import Orders
from simclr.errors import InputError
from simclr.recipe.schema import Train
from simclr.recipe.tuning import TuningTrain
from simclr.train.grad_cache import micro_batch_sizes
from simclr.train.schedule import run_length, scaled_lr

# A step takes the place of the epoch in the address of its views; evaluators draw from there on.
_MOST_STEPS = 1 << 23


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
    train: Train,
    samples: int,
    seed: int,
    rank: int,
    world_size: int,
    held_out: Tensor | None = None,
    micro_batches: int | None = None,
) -> Course:
    """The steps of a run on ``samples`` samples less those that are ``held_out``, as one of its processes takes them.

    Args:
        train: section of the recipe.
        samples: of the source.
        seed: of the run.
        rank: of this process.
        world_size: number of processes.
        held_out: ids of samples that are not learned from.
        micro_batches: into how many a batch is cut; of a resumed run as many as before, on however many processes,
            since each is normalised by itself. By default what ``train.micro_batch`` asks for.

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
    share = train.batch_size // world_size
    most = train.micro_batch if micro_batches is None else -(-share // micro_batches)
    sizes = micro_batch_sizes(share, most, world_size)
    return Course(order.cut(sizes), *steps, peak_lr, sizes)


class TuningCourse(NamedTuple):
    """The steps of a fine-tuning.

    Attributes:
        order: which samples a step takes.
        total_steps: of the run.
        warmup_steps: of these, with a rising learning rate.
        peak_lr: reached then, scaled to the batch.
    """

    order: Orders
    total_steps: int
    warmup_steps: int
    peak_lr: float

    def address(self, ids: Tensor, step: int, samples: int) -> Tensor:
        """What stands for the ids (b,) in the address of their views: a sample's second place in a batch has another.

        Args:
            ids: of the step, on any device.
            step: of the run.
            samples: of the source.
        """
        if isinstance(self.order, SampleOrder) or not self.order.repeated:
            return ids
        return ids + samples * self.order.occurrence(step).to(ids.device)

    def spans(self, start: int, by_epoch: bool) -> list[tuple[int, int]]:
        """Steps (first, stop) that follow on each other from ``start`` to the end: all at once, or an epoch at a time.

        Args:
            start: first step.
            by_epoch: whether something happens between epochs.
        """
        every = self.order.steps_per_epoch if by_epoch else self.total_steps
        begins = [start, *range((start // every + 1) * every, self.total_steps, every)]
        return [span for span in zip(begins, [*begins[1:], self.total_steps]) if span[0] < span[1]]

    @property
    def notes(self) -> list[str]:
        """What deserves a look."""
        note = None if isinstance(self.order, SampleOrder) else self.order.note
        return [note] if note else []

    def describe(self) -> str:
        """The batches, in a line."""
        if not isinstance(self.order, ClassOrder):
            return f"batches of {self.order.batch_size} samples"
        return f"batches of {self.order.classes_per_batch} classes with {self.order.samples_per_class} samples"


def set_tuning_course(
    train: TuningTrain, targets: Tensor, wants_pairs: bool, seed: int, rank: int, world_size: int
) -> TuningCourse:
    """The steps of a fine-tuning, as one of its processes takes them.

    Args:
        train: of the recipe.
        targets: class of each sample, (N,) int64; those with -1 are not learned from.
        wants_pairs: whether the objective compares samples, for which a batch needs several of a class.
        seed: of the run.
        rank: of this process.
        world_size: number of processes.

    Raises:
        InputError: a batch that there are not enough classes for, or that cannot be shared evenly.
    """
    order: SampleOrder | ClassOrder
    if wants_pairs or train.classes is not None:
        classes = train.classes or max(2, min(int(targets.max()) + 1, train.batch_size // train.per_class))
        try:
            order = ClassOrder(targets, classes, train.per_class, seed, rank, world_size)
        except InputError as error:
            said = str(error).replace("classes_per_batch", "train.classes").replace("samples_per_class", "per_class")
            raise InputError(said) from None
    else:
        ids = (targets >= 0).nonzero()[:, 0]
        batch_size = min(train.batch_size, max(world_size, len(ids) // world_size * world_size))
        order = SampleOrder(len(ids), batch_size, seed, rank, world_size, ids)
    total_steps, warmup_steps = run_length(train.epochs, order.steps_per_epoch, train.warmup_epochs, train.max_steps)
    if total_steps > _MOST_STEPS:
        raise InputError(f"fine-tuning would take {total_steps:,} steps: set train.max_steps={_MOST_STEPS} or less")
    return TuningCourse(order, total_steps, warmup_steps, scaled_lr(train.lr, order.batch_size, train.lr_scaling))
