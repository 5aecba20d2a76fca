"""What a fine-tuning is made of, for its loop and for making one of its steps again."""

from __future__ import annotations

from contextlib import nullcontext
from typing import NamedTuple

from accelerate import Accelerator
from torch import Tensor
from torch.optim import Optimizer

from simclr.build import build_tuned, optimizer_of
from simclr.data import Source
from simclr.data.chosen_labels import ChosenLabels, choose_labels
from simclr.recipe.tuning import TuningRecipe
from simclr.run.start import Start, load_start
from simclr.train.course import TuningCourse, set_tuning_course
from simclr.train.tuned import Learned, Tuned, try_objective
from simclr.views.inputs import Inputs, build_tuning_inputs
from simclr.views.unlabelled import Share, Unlabelled, build_unlabelled, open_target


class TuningSetup(NamedTuple):
    """Everything before a run state is loaded.

    Attributes:
        start: what the run starts from; None for random weights.
        inputs: samples and their views.
        target: what it adapts to, without labels, as it was opened.
        chosen: which labels are looked at.
        targets: class of each sample on the device, (N,) int64.
        model: encoder and objective.
        optimizer: of the model, not yet prepared.
        course: the steps of this process.
        unlabelled: the second stream, where the model needs one.
        learned: what is looked at between epochs.
    """

    start: Start | None
    inputs: Inputs
    target: Source | None
    chosen: ChosenLabels
    targets: Tensor
    model: Tuned
    optimizer: Optimizer
    course: TuningCourse
    unlabelled: Unlabelled | None
    learned: Learned


def set_up_tuning(recipe: TuningRecipe, accelerator: Accelerator) -> TuningSetup:
    """Open what there is to learn from, and build what learns. Every process calls it.

    Raises:
        InputError: something in the recipe, the data or the labels is wrong.
    """
    device = accelerator.device
    start = load_start(recipe)
    with accelerator.main_process_first() if recipe.fetches else nullcontext():
        inputs = build_tuning_inputs(recipe, device, start.encoder.preprocess if start else None)
        target = open_target(recipe, device)
    chosen = _labels(recipe, inputs.source)
    targets = chosen.targets.to(device)
    rank, world_size = accelerator.process_index, accelerator.num_processes
    model = build_tuned(recipe, start, inputs, len(chosen.classes), device)
    wants_pairs = model.objective.wants_pairs
    course = set_tuning_course(recipe.train, chosen.targets, wants_pairs, recipe.seed, rank, world_size)
    share = Share(course.order.batch_size, rank, world_size)
    unlabelled = build_unlabelled(recipe, inputs, target, model.needs, share)
    try_objective(model, targets[course.order.at(0)], inputs.view_shape, unlabelled and unlabelled.of_process)
    learned = Learned(
        ids=(targets >= 0).nonzero()[:, 0],
        targets=targets,
        inputs=lambda ids: inputs.embed(inputs.plain[ids].to(device)),
        epochs=-(-course.total_steps // course.order.steps_per_epoch),
    )
    optimizer = optimizer_of(list(model.children()), recipe.train, course.peak_lr, device, world_size)
    return TuningSetup(start, inputs, target, chosen, targets, model, optimizer, course, unlabelled, learned)


def _labels(recipe: TuningRecipe, source: Source) -> ChosenLabels:
    """The labels that are looked at."""
    asked, held_out = recipe.labels, recipe.monitor.held_out
    seed = recipe.seed if asked.seed is None else asked.seed
    unknown = [*asked.unknown, *recipe.data.unknown]
    return choose_labels(source, shots=asked.shots, share=asked.share, unknown=unknown, held_out=held_out, seed=seed)
