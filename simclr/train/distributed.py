"""Starting accelerate so that the processes of a launch really see each other."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.utils import (
    DistributedDataParallelKwargs,
    DynamoBackend,
    GradientAccumulationPlugin,
    InitProcessGroupKwargs,
    ProjectConfiguration,
    TorchDynamoPlugin,
    broadcast_object_list,
)
from torch import Tensor, nn
from torch.optim import Optimizer

from simclr.errors import InputError
from simclr.launch import launched_processes, refuse_other_ways_to_train
from simclr.losses.gather import gather

T = TypeVar("T")


def start_accelerator(
    precision: str = "fp32",
    trackers: Sequence[str] = (),
    folder: Path | None = None,
    patience: timedelta | None = None,
) -> Accelerator:
    """An Accelerator on the GPUs if there are any, else on the CPU, over all processes of the launch.

    accelerate takes the CPU for several processes only when it is told to; otherwise each process believes that it
    is alone and trains its own copy. What would change the numbers is set here: whatever is left open, accelerate takes
    from the environment.

    Args:
        precision: ``fp32``, ``bf16`` or ``fp16`` autocast.
        trackers: accelerate's names of trackers.
        folder: where trackers write.
        patience: how long a process waits for another; None is as torch has it.

    Raises:
        InputError: fp16 without a GPU, processes that do not see each other, or a way to train that is not ours.
    """
    refuse_other_ways_to_train()
    has_gpu = torch.accelerator.is_available()
    if precision == "fp16" and not has_gpu:
        raise InputError("train.precision is fp16, which needs a GPU: set train.precision=bf16 or fp32")
    if launched_processes() > 1 and "LOCAL_RANK" in os.environ and "MASTER_ADDR" not in os.environ:
        raise InputError(
            f"the environment says that {launched_processes()} processes were started, but not where they meet "
            f"(MASTER_ADDR): start them with accelerate launch, or unset WORLD_SIZE and LOCAL_RANK for a single one"
        )
    accelerator = Accelerator(
        cpu=not has_gpu,
        mixed_precision="no" if precision == "fp32" else precision,
        log_with=list(trackers) or None,
        project_config=ProjectConfiguration(project_dir=str(folder), logging_dir=str(folder)) if folder else None,
        step_scheduler_with_optimizer=False,
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        dynamo_plugin=TorchDynamoPlugin(backend=DynamoBackend.NO),
        kwargs_handlers=[
            DistributedDataParallelKwargs(gradient_as_bucket_view=True),
            *([] if patience is None else [InitProcessGroupKwargs(timeout=patience)]),
        ],
    )
    if precision == "fp16" and accelerator.device.type == "cpu":  # as ACCELERATE_USE_CPU asks; it would be fp32 there
        raise InputError("train.precision is fp16, which needs a GPU, but ACCELERATE_USE_CPU is set: unset it")
    launched = launched_processes()
    if launched != accelerator.num_processes and launched > 1:
        raise InputError(
            f"the launcher started {launched} processes, but this one sees {accelerator.num_processes}, so they would "
            f"train separate copies: use accelerate launch --multi_gpu --num_processes {launched} -m simclr pretrain …"
        )
    return accelerator


def prepare(
    accelerator: Accelerator, model: nn.Module, optimizer: Optimizer, state: Mapping[str, Any]
) -> tuple[nn.Module, Optimizer]:
    """Model, on its device, and optimizer as the processes share them, after what a run state has of them.

    Args:
        accelerator: of this process.
        model: its state is loaded in place.
        optimizer: likewise.
        state: with the entries of `state_of`, or without for a new run.
    """
    if "model" in state:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    distributed, optimizer = accelerator.prepare(model, optimizer, device_placement=[False, True])
    if accelerator.scaler is not None and "scaler" in state:
        accelerator.scaler.load_state_dict(state["scaler"])
    return distributed, optimizer


def state_of(accelerator: Accelerator, model: nn.Module, optimizer: Optimizer) -> dict[str, Any]:
    """What `prepare` takes to go on from here."""
    scaler = {} if accelerator.scaler is None else {"scaler": accelerator.scaler.state_dict()}
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), **scaler}


def on_main_first(accelerator: Accelerator, action: Callable[[], T]) -> T | None:
    """Run ``action`` on the main process; a mistake that it finds is raised in every process, so that none waits.

    Returns:
        What ``action`` returned, None on the other processes.

    Raises:
        InputError: raised by ``action``.
    """
    result, message = None, [""]
    if accelerator.is_main_process:
        try:
            result = action()
        except InputError as error:
            message = [str(error)]
    broadcast_object_list(message)
    if message[0]:
        raise InputError(message[0])
    return result


def of_main(accelerator: Accelerator, value: T) -> T:
    """What ``value`` is on the main process."""
    values = [value]
    broadcast_object_list(values)
    return values[0]


def any_process(accelerator: Accelerator, *flags: bool) -> list[bool]:
    """Which of the flags are set on at least one process: the same answer on all of them."""
    if accelerator.num_processes == 1:
        return list(flags)
    found = torch.tensor(flags, dtype=torch.int32, device=accelerator.device)
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return [bool(flag) for flag in found.tolist()]


def of_batch(accelerator: Accelerator, x: Tensor) -> Tensor:
    """The rows of the global batch, of which each process has an equal share; every process calls it.

    Args:
        accelerator: of this process.
        x: its rows, (b, …).

    Returns:
        (b · processes, …) without a gradient: this process's rows first, then those of the others by rank.
    """
    return gather(x.detach(), [len(x)] * accelerator.num_processes)


def of_all(accelerator: Accelerator, values: Sequence[T]) -> list[T]:
    """What the processes have, each value once: the same list on all of them."""
    parts = [list(values)] * accelerator.num_processes
    if accelerator.num_processes > 1:
        dist.all_gather_object(parts, list(values))
    return list(dict.fromkeys(value for part in parts for value in part))
