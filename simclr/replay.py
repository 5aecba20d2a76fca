"""`simclr replay`: the step at which a run diverged, once more, and what in it was no number first.

A run that diverges leaves ``checkpoints/diverged.pt``, its state before that step. The views of a step are a pure
function of seed and step, so the same step is made again, by one process too, with a look at every module and gradient.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from simclr.build import build_learner, build_loss
from simclr.data import Source, batches
from simclr.data.feed import named
from simclr.data.held_out import held_out_ids
from simclr.errors import DivergenceError, InputError
from simclr.recipe.read import Experiment, read_experiment
from simclr.recipe.schema import Recipe
from simclr.recipe.tuning import TuningRecipe
from simclr.run.checkpoint import DIVERGED, load_run_state, newest_whole_state, whole_state
from simclr.run.fitting import check_fits
from simclr.run.resume import as_stored, check_remembered, identify
from simclr.run.run_folder import is_run_folder
from simclr.run.start import check_start
from simclr.train.course import TuningCourse, set_course
from simclr.train.distributed import prepare, start_accelerator
from simclr.train.schedule import warmup_cosine
from simclr.train.step import Learner, TrainingStep
from simclr.train.tuning_step import TuningStep
from simclr.tuning_setup import set_up_tuning
from simclr.views.inputs import build_inputs

_EVERY = 20.0
"""Seconds between lines on how far it is."""


class Captured(NamedTuple):
    """Where to begin.

    Attributes:
        folder: of the run.
        state: before a step.
        is_bad: whether that step is the one that diverged; otherwise it is to be found.
    """

    folder: Path
    state: dict[str, Any]
    is_bad: bool


class Again(NamedTuple):
    """A step to be made again, of either kind of run.

    Attributes:
        step, epoch: its numbers.
        ids: of its samples, (b,) int64.
        views: draws what goes into the encoder, (V, b, C, h, w).
        loss: forward and backward.
        update: of the parameters.
    """

    step: int
    epoch: int
    ids: Tensor
    views: Callable[[], Tensor]
    loss: Callable[[], float]
    update: Callable[[], None]


class Steps(NamedTuple):
    """The steps of a run, from the captured state on: what learns, from what, and how many there are in all."""

    model: nn.Module
    source: Source
    total: int
    made: Iterator[Again]


def replay(folder: Path, say: Callable[[str], None] = print) -> list[str]:
    """Go to the step at which a run diverged, and make it again.

    Args:
        folder: of a run. With the state of a step that diverged, that step is made; otherwise all after the newest run
            state, up to the first that is not finite or to the end.
        say: prints a line for the user.

    Returns:
        What was not finite, a line each, in the order of computation; empty if all was.

    Raises:
        InputError: no run, or its data or states are not as they were.
    """
    if not is_run_folder(folder):
        raise InputError(f"{folder} is no folder of a run: give one, such as runs/NAME")
    recipe = read_experiment(folder / "recipe.yaml")
    accelerator = start_accelerator(recipe.train.precision)
    if accelerator.num_processes > 1:
        raise InputError("one process makes the whole batch again: start simclr replay without a launcher")
    captured = _captured(folder, say)
    if isinstance(recipe, Recipe):
        steps = _of_pretraining(recipe, accelerator, captured)
    else:
        steps = _of_tuning(recipe, accelerator, captured)
    steps.model.train()
    first, stop = captured.state["step"], steps.total
    if not captured.is_bad:
        steps_left = f"all {stop - first:,} steps from {first} on, until one is not finite"
        say(f"no state of a step that diverged was left: {steps_left}")
    told = time.monotonic()
    try:
        for again in steps.made:
            found = _broken(again, steps.model, steps.source, careful=captured.is_bad)
            if found:
                say(f"step {again.step} (epoch {again.epoch}) of {len(again.ids)} samples: {found[0]}")
                for line in found[1:]:
                    say(f"  then {line}")
                return found
            if captured.is_bad:
                stop = again.step + 1
                break
            if time.monotonic() > told + _EVERY:
                told = time.monotonic()
                say(f"step {again.step} of {stop:,} is finite")
    except DivergenceError as error:  # between epochs
        say(str(error))
        return [str(error)]
    if first >= stop:
        say(f"the run ended with step {stop}, and left no state of a step that diverged")
    else:
        say(f"all is finite from step {first} to {stop - 1} here")
    return []


def _captured(folder: Path, say: Callable[[str], None]) -> Captured:
    """The state to begin with."""
    file = folder / "checkpoints" / DIVERGED
    if file.exists():
        state = whole_state(file)
        if state is not None:
            return Captured(folder, state, True)
        say(f"{file} is damaged or was not written to its end: passed over")
    name = newest_whole_state(file.parent, say)
    state = load_run_state(file.parent / name) if name else {"step": 0}
    return Captured(folder, state, False)


def _check(captured: Captured, recipe: Experiment, source: Source, target: Source | None) -> None:
    """Whether recipe and data are those of the run."""
    data, of_target = identify(as_stored(recipe.data, source)), None if target is None else identify(target)
    check_remembered(captured.state, recipe, data, str(captured.folder), of_target)


def _of_pretraining(recipe: Recipe, accelerator: Accelerator, captured: Captured) -> Steps:
    device, state, inputs = accelerator.device, captured.state, build_inputs(recipe, accelerator.device)
    source = inputs.source
    _check(captured, recipe, source, None)
    held_out = held_out_ids(inputs.raw, recipe.monitor.held_out, recipe.seed)
    course = set_course(recipe.train, len(source), recipe.seed, 0, 1, held_out, state.get("micro_batches"))
    order, total_steps, warmup_steps, peak_lr, sizes = course
    model, optimizer = build_learner(recipe, inputs.preprocess, peak_lr, device, 1)
    check_fits(state, model, optimizer, accelerator, str(captured.folder))
    distributed, optimizer = prepare(accelerator, model, optimizer, state)
    learner = Learner(accelerator, model, distributed, optimizer)
    one_step = TrainingStep(learner, inputs.drawing(), build_loss(recipe.loss, source), sizes)

    def loss_of(batch: Tensor, ids: Tensor, epoch: int) -> float:
        return one_step.gradients(batch, ids, epoch).loss

    def made() -> Iterator[Again]:
        for step, ids, batch in batches(source, order, state["step"], total_steps, device, recipe.data.workers):
            epoch, lr = order.epoch(step), warmup_cosine(step, total_steps, warmup_steps, peak_lr)
            views, loss = partial(inputs.augment, batch, ids, epoch), partial(loss_of, batch, ids, epoch)
            yield Again(step, epoch, ids, views, loss, partial(one_step.update, lr))

    return Steps(model, source, total_steps, made())


def _of_tuning(recipe: TuningRecipe, accelerator: Accelerator, captured: Captured) -> Steps:
    device, state, setup = accelerator.device, captured.state, set_up_tuning(recipe, accelerator)
    model, inputs, others = setup.model, setup.inputs, setup.unlabelled
    source, course = inputs.source, setup.course
    _check(captured, recipe, source, setup.target)
    check_start(setup.start, source, captured.folder, state)
    check_fits(state, model, setup.optimizer, accelerator, str(captured.folder))
    distributed, optimizer = prepare(accelerator, model, setup.optimizer, state)
    one_step = TuningStep(accelerator, model, distributed, optimizer, source, setup.targets, inputs.augment)
    order, total_steps, warmup_steps, peak_lr = course

    def views_of(batch: Tensor, ids: Tensor, step: int, now: TuningCourse) -> Tensor:
        return one_step.views(batch, ids, step, now)[None]

    def loss_of(batch: Tensor, ids: Tensor, u: Tensor | None, step: int, now: TuningCourse) -> float:
        return one_step.gradients(batch, ids, u, step, now).loss

    def made() -> Iterator[Again]:
        for first, stop in course.spans(state["step"], model.acts_between_epochs):
            # What diverged is kept as it was after that.
            if first % order.steps_per_epoch == 0 and not captured.is_bad:
                model.begin_epoch(order.epoch(first), setup.learned)
            now = course._replace(order=model.order_of(order))
            labelled = batches(source, now.order, first, stop, device, recipe.data.workers)
            for (step, ids, batch), u in zip(labelled, others.views(first, stop) if others else repeat(None)):
                lr = warmup_cosine(step, total_steps, warmup_steps, peak_lr)
                views = partial(views_of, batch, ids, step, now)
                loss = partial(loss_of, batch, ids, u, step, now)
                yield Again(step, order.epoch(step), ids, views, loss, partial(one_step.update, lr))

    return Steps(model, source, total_steps, made())


def _broken(again: Again, model: nn.Module, source: Source, careful: bool) -> list[str]:
    """What is not finite in a step, in the order of computation; the update is made when all is."""
    found = list[str]()
    rows = (~torch.isfinite(again.views())).flatten(2).any(2).any(0)
    if rows.any():
        found.append(f"views hold NaN or infinity, of {named(source, again.ids[rows])}")
    with _watched(model) as modules, warnings.catch_warnings(), torch.autograd.set_detect_anomaly(careful):
        warnings.simplefilter("ignore")  # where in our code an operation was called says nothing to a user
        try:
            loss = again.loss()
        except RuntimeError as error:
            if "returned nan values" not in str(error):
                raise
            loss, operation = math.nan, str(error).split("'")[1]
            modules.append(f"the gradient of {operation}")
    found += modules[:1]
    if not math.isfinite(loss):
        found.append(f"the loss is {loss}")
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
            found.append(f"the gradient of {name}, the first of all")
            break
    if not found:
        again.update()
        broken = [name for name, p in model.named_parameters() if not torch.isfinite(p).all()]
        if broken:
            found.append(f"{broken[0]} and {len(broken) - 1} other parameters after the update")
    return found


@contextmanager
def _watched(model: nn.Module) -> Iterator[list[str]]:
    """Collects modules without parts of their own whose output or running statistics are not finite, as they are
    called."""
    found: list[str] = []

    def look(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, given: Any, output: Any) -> None:
            if isinstance(output, Tensor) and not torch.isfinite(output).all():
                broken = (~torch.isfinite(output)).flatten(1).any(1).sum().item()
                whole = all(torch.isfinite(x).all() for x in given if isinstance(x, Tensor))
                what = "the output" if whole else "the output (and its input)"
                found.append(f"{what} of {name} ({type(module).__name__}), for {broken} of {len(output)} views")
            for statistic, value in module.named_buffers():
                if not torch.isfinite(value).all():
                    found.append(f"{statistic} of {name} ({type(module).__name__})")

        return hook

    handles = [m.register_forward_hook(look(name)) for name, m in model.named_modules() if not list(m.children())]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
