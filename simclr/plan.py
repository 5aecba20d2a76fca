"""`simclr plan`: what a run would do and cost, from a few steps that are really taken and then forgotten."""

import json
import platform
import resource
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from simclr.augment.checks import counted
from simclr.build import build_learner, build_loss
from simclr.data import batches
from simclr.errors import InputError
from simclr.files import check_writable, write_text
from simclr.launch import is_main_process
from simclr.recipe.schema import Recipe
from simclr.run.states import states_kept, steps_between_states
from simclr.train.course import set_course
from simclr.train.distributed import start_accelerator
from simclr.train.optimizer import parameter_table
from simclr.train.schedule import warmup_cosine
from simclr.train.step import PHASES, Learner, TrainingStep
from simclr.views.inputs import build_inputs

PHASE_WORDS = {
    "reading": "samples to the device",
    "augmentation": "drawing the views",
    "forward": "encoder and head",
    "loss": "the loss, there and back",
    "backward": "encoder and head",
    "optimizer": "the update",
}


class PhaseTimer:
    """Seconds spent in each phase of a step; waits for the device at every end of a phase."""

    def __init__(self, device: torch.device) -> None:
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._device = device
        self._last = time.perf_counter()

    def end(self, phase: str) -> None:
        """Since the last call, ``phase`` was going on."""
        if self._device.type != "cpu":
            torch.accelerator.synchronize()
        now = time.perf_counter()
        self.seconds[phase] += now - self._last
        self._last = now

    def reset(self) -> None:
        """Forget what was measured, and start now."""
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._last = time.perf_counter()


def plan(recipe: Recipe, steps: int = 3) -> dict[str, Any]:
    """Take a few steps of a run as the loop takes them, and add up what the whole would cost.

    Nothing is written. The loss's own backward pass counts as loss, that of the network as backward.

    Args:
        recipe: of the run.
        steps: timed, after one that is not.

    Returns:
        Plain numbers and texts, see ``simclr.plan.print_plan`` for how they read; ``step.phases_ms`` has a step's
        mean milliseconds by phase.

    Raises:
        InputError: what `pretrain` would refuse.
    """
    train = recipe.train
    accelerator = start_accelerator(train.precision)
    device, world_size = accelerator.device, accelerator.num_processes
    inputs = build_inputs(recipe, device)
    source = inputs.source
    course = set_course(train, len(source), recipe.seed, accelerator.process_index, world_size)
    order, total_steps, warmup_steps, peak_lr, sizes = course
    model, optimizer = build_learner(recipe, inputs.preprocess, peak_lr, device, world_size)
    distributed, optimizer = accelerator.prepare(model, optimizer, device_placement=[False, True])
    model.train()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()

    timer = PhaseTimer(device)
    learner = Learner(accelerator, model, distributed, optimizer)
    one_step = TrainingStep(learner, inputs.drawing(), build_loss(recipe.loss, source), sizes, timer)
    fed = batches(source, order, 0, 1 << 40, device, recipe.data.workers)
    for _, (step, ids, batch) in zip(range(steps + 1), fed):
        one_step.gradients(batch, ids, order.epoch(step))
        one_step.update(warmup_cosine(step, total_steps, warmup_steps, peak_lr))
        if step == 0:  # it also allocates, compiles and fills caches
            timer.reset()
    phases = {phase: 1000 * seconds / steps for phase, seconds in timer.seconds.items()}
    step_seconds = sum(phases.values()) / 1000
    state = _bytes([*model.state_dict().values(), *_tensors(optimizer.state_dict())])
    kept = states_kept(train, total_steps, steps_between_states(train, order.steps_per_epoch, total_steps))
    return {
        "chosen": recipe.chosen,
        "notes": [*source.notes, *inputs.notes],
        "data": {
            "source": source.name,
            "samples": len(source),
            "bands": inputs.preprocess.in_chans,
            "encoder_bands": inputs.preprocess.out_chans,
            "resident": source.resident,
        },
        "views": {"count": recipe.augment.total_views, "operations": inputs.describe()},
        "model": {
            "encoder": recipe.encoder.name,
            "encoder_parameters": _parameters(model.encoder),
            "head_parameters": _parameters(model.head),
            "loss": recipe.loss.describe(),
            "optimizer": parameter_table([model.encoder, model.head], train.optimizer, train.weight_decay),
        },
        "run": {
            "batch_size": train.batch_size,
            "micro_batches": len(sizes),
            "steps_per_epoch": order.steps_per_epoch,
            "epochs": total_steps / order.steps_per_epoch,
            "steps": total_steps,
            "warmup_steps": warmup_steps,
            "peak_lr": peak_lr,
            "precision": train.precision,
        },
        "device": {"name": _device_name(device), "processes": world_size, "threads": torch.get_num_threads()},
        "step": {
            "timed": steps,
            "seconds": step_seconds,
            "images_per_second": train.batch_size / step_seconds,
            "phases_ms": phases,
        },
        "cost": {
            "seconds": step_seconds * total_steps,
            "memory_bytes": _peak_memory(device),
            "run_state_bytes": state,
            "disk_bytes": kept * state + _bytes(model.encoder.state_dict().values()),
        },
    }


def run_plan(recipe: Recipe, output: Path | None, steps: int) -> None:
    """`simclr plan`: the table, and the same as JSON."""
    if output is not None and not output.parent.is_dir():
        raise InputError(f"--output is {output}, but the folder {output.parent} does not exist: make it first")
    if output is not None:
        check_writable(output)
    numbers = plan(recipe, steps)
    if is_main_process():
        print_plan(numbers)
        if output is not None:
            write_text(output, json.dumps(numbers, indent=1) + "\n")


def _tensors(node: Any) -> Iterator[Tensor]:
    if isinstance(node, Tensor):
        yield node
    elif isinstance(node, dict | list | tuple):
        for part in node.values() if isinstance(node, dict) else node:
            yield from _tensors(part)


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _peak_memory(device: torch.device) -> int:
    """Bytes: of the GPU's memory, or of this process's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.processor() or platform.machine()})"


def print_plan(numbers: dict[str, Any]) -> None:
    """What `simclr.plan.plan` found, in one table."""
    data, model, run, step, cost = (numbers[key] for key in ("data", "model", "run", "step", "cost"))
    device = numbers["device"]
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for index, line in enumerate(numbers["chosen"]):
        table.add_row("" if index else "chosen", line)
    bands = counted(data["bands"], "band")
    if data["encoder_bands"] != data["bands"]:
        bands += f" → {data['encoder_bands']}"
    where = "resident in memory" if data["resident"] else "streamed"
    table.add_row("data", f"{data['samples']:,} samples of {data['source']}, {bands}, {where}")
    for line in numbers["notes"]:
        table.add_row("", line)
    table.add_row("views", f"{numbers['views']['count']} of each sample")
    for line in numbers["views"]["operations"]:
        table.add_row("", f"  {line}")
    table.add_row("encoder", f"{model['encoder']}, {model['encoder_parameters']:,} parameters")
    table.add_row("head", f"{model['head_parameters']:,} parameters")
    table.add_row("loss", model["loss"])
    for line in model["optimizer"]:
        table.add_row("", f"  {line}")
    micro = f" in {run['micro_batches']} micro batches" if run["micro_batches"] > 1 else ""
    steps = f"{run['steps']:,} ({run['steps_per_epoch']:,} an epoch)"
    table.add_row("steps", f"{steps} of {run['batch_size']:,} images{micro}")
    table.add_row("learning rate", f"up to {run['peak_lr']:.4g} in {run['warmup_steps']:,} steps, then a cosine to 0")
    processes = f", {device['processes']} processes" if device["processes"] > 1 else ""
    threads = f", {counted(device['threads'], 'thread')}" if device["name"].startswith("cpu") else ""
    table.add_row("device", f"{device['name']}{processes}{threads}, {run['precision']}")
    rate = step["images_per_second"]
    speed = f"{rate:,.{0 if rate >= 10 else 2}f} images/s, mean of {step['timed']}"
    table.add_row("a step", f"{duration(step['seconds'])} ({speed})")
    for phase, milliseconds in step["phases_ms"].items():
        share = milliseconds / 10 / step["seconds"]
        table.add_row("", f"  {phase:12} {milliseconds:10,.1f} ms {share:6.1f} %  {PHASE_WORDS[phase]}")
    network = (step["phases_ms"]["forward"] + step["phases_ms"]["backward"]) / 10 / step["seconds"]
    table.add_row("", f"  the network takes {network:.1f} %, everything else {100 - network:.1f} %")
    table.add_row("the run", f"{duration(cost['seconds'])}, without checkpoints and the online probe")
    table.add_row("memory", f"{cost['memory_bytes'] / 2**30:.2f} GiB at the peak of these steps")
    state, disk = (cost[key] / 2**20 for key in ("run_state_bytes", "disk_bytes"))
    table.add_row("disk", f"{disk:,.1f} MiB at the end, a run state {state:,.1f} MiB")
    Console().print(table, highlight=False)


def duration(seconds: float) -> str:
    """Seconds as a person would say them: 0.35 s, 12 s, 4 min 10 s, 3 h 05 min, 2 days 4 h."""
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60:02} s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} days {hours % 24} h"
