"""`simclr replay`: the step at which a run diverged, once more, and what in it was no number first.

A run that diverges leaves ``checkpoints/diverged.pt``, its state before that step. The views of a step are a pure
function of seed and step, so the same step is made again, by one process too, with a look at every module and gradient.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from simclr.build import build_learner, build_loss
from simclr.data import Source, StreamSource, batches
from simclr.data.held_out import held_out_ids
from simclr.errors import InputError
from simclr.recipe.read import read_experiment
from simclr.recipe.schema import Recipe
from simclr.run.checkpoint import DIVERGED, load_run_state, newest_whole_state
from simclr.run.resume import as_stored, check_remembered, identify
from simclr.run.run_folder import is_run_folder
from simclr.train.course import Course, set_course
from simclr.train.distributed import prepare, start_accelerator
from simclr.train.schedule import warmup_cosine
from simclr.train.step import Learner, TrainingStep
from simclr.views.inputs import Inputs, build_inputs

NAMED = 8  # samples in a line


def replay(folder: Path, say: Callable[[str], None] = print) -> list[str]:
    """Go to the step at which a run diverged, and make it again.

    Args:
        folder: of a run of pretraining. With the state of a step that diverged, that step is made; otherwise all after
            the newest run state, up to the first that is not finite or to the end.
        say: prints a line for the user.

    Returns:
        What was not finite, a line each, in the order of computation; empty if all was.

    Raises:
        InputError: no run of pretraining, or its data or states are not as they were.
    """
    if not is_run_folder(folder):
        raise InputError(f"{folder} is no folder of a run: give one, such as runs/NAME")
    recipe = read_experiment(folder / "recipe.yaml")
    if not isinstance(recipe, Recipe):
        raise InputError(f"{folder} holds a run of simclr fine-tune: only steps of pretraining can be made again")
    train, accelerator = recipe.train, start_accelerator(recipe.train.precision)
    device = accelerator.device
    if accelerator.num_processes > 1:
        raise InputError("one process makes the whole batch again: start simclr replay without a launcher")
    inputs = build_inputs(recipe, device)
    source = inputs.source
    state, last = _state(folder / "checkpoints", say)
    check_remembered(state, recipe, identify(as_stored(recipe.data, source)), str(folder))
    held_out = held_out_ids(inputs.raw, recipe.monitor.held_out, recipe.seed)
    course = set_course(train, len(source), recipe.seed, 0, 1, held_out, state.get("micro_batches"))
    model, optimizer = build_learner(recipe, inputs.preprocess, course.peak_lr, device, 1)
    distributed, optimizer = prepare(accelerator, model, optimizer, state)
    loss_of = build_loss(recipe.loss, source)
    learner = Learner(accelerator, model, distributed, optimizer)
    one_step = TrainingStep(learner, inputs.drawing(), loss_of, course.sizes)
    model.train()
    stop = min(course.total_steps, last + 1)
    for step, ids, batch in batches(source, course.order, state["step"], stop, device, recipe.data.workers):
        found = _broken(one_step, model, inputs, (step, ids, batch), course, careful=step == last)
        if found:
            where = f"step {step} (epoch {course.order.epoch(step)}) of {len(ids)} samples"
            say(f"{where}: {found[0]}")
            for line in found[1:]:
                say(f"  then {line}")
            return found
    if state["step"] >= stop:
        say(f"the run ended with step {stop}, and left no state of a step that diverged")
    else:
        say(f"all is finite from step {state['step']} to {stop - 1} here")
    return []


def _state(checkpoints: Path, say: Callable[[str], None]) -> tuple[dict[str, Any], int]:
    """Where to begin, and the last step to make."""
    if (checkpoints / DIVERGED).exists():
        state = load_run_state(checkpoints / DIVERGED)
        return state, state["step"]
    name = newest_whole_state(checkpoints, say)
    state = load_run_state(checkpoints / name) if name else {"step": 0}
    say(f"no state of a step that diverged was left: all steps from {state['step']} on, until one is not finite")
    return state, 1 << 62


def _broken(
    one_step: TrainingStep,
    model: nn.Module,
    inputs: Inputs,
    taken: tuple[int, Tensor, Tensor],
    course: Course,
    careful: bool,
) -> list[str]:
    """What is not finite in a step, in the order of computation; the update is made when all is."""
    step, ids, batch = taken
    epoch, found = course.order.epoch(step), list[str]()
    views = inputs.augment(batch, ids, epoch)
    rows = (~torch.isfinite(views)).flatten(2).any(2).any(0)
    if rows.any():
        found.append(f"views hold NaN or infinity, of {_named(inputs.source, ids[rows])}")
    with _watched(model) as modules, warnings.catch_warnings(), torch.autograd.set_detect_anomaly(careful):
        warnings.simplefilter("ignore")  # where in our code an operation was called says nothing to a user
        try:
            loss = one_step.gradients(batch, ids, epoch).loss
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
        one_step.update(warmup_cosine(step, course.total_steps, course.warmup_steps, course.peak_lr))
        broken = [name for name, p in model.named_parameters() if not torch.isfinite(p).all()]
        if broken:
            found.append(f"{broken[0]} and {len(broken) - 1} other parameters after the update")
    return found


@contextmanager
def _watched(model: nn.Module) -> Iterator[list[str]]:
    """Collects modules without parts of their own whose output is not finite, as they are called."""
    found: list[str] = []

    def look(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, given: Any, output: Any) -> None:
            if isinstance(output, Tensor) and not torch.isfinite(output).all():
                broken = (~torch.isfinite(output)).flatten(1).any(1).sum().item()
                whole = all(torch.isfinite(x).all() for x in given if isinstance(x, Tensor))
                what = "the output" if whole else "the output (and its input)"
                found.append(f"{what} of {name} ({type(module).__name__}), for {broken} of {len(output)} views")

        return hook

    handles = [m.register_forward_hook(look(name)) for name, m in model.named_modules() if not list(m.children())]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _named(source: Source, ids: Tensor) -> str:
    """The samples, by their names where they have some."""
    names = [source.sample_name(i) if isinstance(source, StreamSource) else str(i) for i in ids[:NAMED].tolist()]
    return f"{len(ids)} samples: {', '.join(names)}{', …' if len(ids) > NAMED else ''}"
