"""Starting accelerate so that the processes of a launch really see each other."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, ProjectConfiguration, broadcast_object_list

from simclr.errors import InputError
from simclr.launch import launched_processes

T = TypeVar("T")


def start_accelerator(precision: str = "fp32", trackers: Sequence[str] = (), folder: Path | None = None) -> Accelerator:
    """An Accelerator on the GPUs if there are any, else on the CPU, over all processes of the launch.

    accelerate takes the CPU for several processes only when it is told to; otherwise each process believes that it
    is alone and trains its own copy.

    Args:
        precision: ``fp32``, ``bf16`` or ``fp16`` autocast.
        trackers: accelerate's names of trackers.
        folder: where trackers write.

    Raises:
        InputError: fp16 without a GPU, or processes that do not see each other.
    """
    has_gpu = torch.accelerator.is_available()
    if precision == "fp16" and not has_gpu:
        raise InputError("train.precision is fp16, which needs a GPU: set train.precision=bf16 or fp32")
    accelerator = Accelerator(
        cpu=not has_gpu,
        mixed_precision="no" if precision == "fp32" else precision,
        log_with=list(trackers) or None,
        project_config=ProjectConfiguration(project_dir=str(folder), logging_dir=str(folder)) if folder else None,
        step_scheduler_with_optimizer=False,
        kwargs_handlers=[DistributedDataParallelKwargs(gradient_as_bucket_view=True)],
    )
    launched = launched_processes()
    if launched != accelerator.num_processes and launched > 1:
        raise InputError(
            f"the launcher started {launched} processes, but this one sees {accelerator.num_processes}, so they would "
            f"train separate copies: use accelerate launch --multi_gpu --num_processes {launched} -m simclr pretrain …"
        )
    return accelerator


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
