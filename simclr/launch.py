"""What the environment says about the launch, before torch is imported."""

import ctypes
import json
import os
import signal
import sys
import time

from simclr.errors import InputError

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Signals by which users, terminals, and batch systems before they end a job (SLURM's --signal=USR1@60), ask for an
end."""

# What launchers set when they start several processes; torchrun and accelerate set WORLD_SIZE.
_LAUNCHED = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
_RANKS = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID")

# What accelerate would read from the environment: the recipe alone says how a run is to be.
_OTHER_WAYS = {
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_FSDP": "FSDP",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "accelerate's parallelism",
}
_PRECISION = "ACCELERATE_MIXED_PRECISION"
_UNUSED = {
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": (
        ("1",),
        "train.batch_size and train.micro_batch say what a step takes",
    ),
    _PRECISION: (("no", "fp32"), "train.precision says how a step is computed"),
    "ACCELERATE_DYNAMO_BACKEND": (("no",), "the network is not compiled"),
}

# Seconds in which a launcher ends all processes after the end of one.
_EXPECTED_SECONDS, _UNEXPECTED_SECONDS, _UNSURE_SECONDS = 4, 9, 12

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_PR_SET_PDEATHSIG = 1


def launched_processes() -> int:
    """How many processes the launcher says that it started, 1 without a launcher."""
    for variable in _LAUNCHED:
        value = os.environ.get(variable, "")
        if value.isdigit() and int(value) > 0:
            return int(value)
    return 1


def is_main_process() -> bool:
    """Whether this process should speak; known before accelerate has started. One that is alone always does."""
    rank = next((os.environ[variable] for variable in _RANKS if variable in os.environ), "0")
    return launched_processes() == 1 or rank == "0"


def wait_for_others_to_say(expected: bool, sure: bool = True) -> None:
    """Before the last words of a process: let another one of its launch say what is wrong, if it knows.

    Mostly all processes find the same mistake, and the main one says so at once. A launcher ends all processes when
    one has ended, so this one does not outlive that, and nothing is said twice. If it does, then it alone knows.
    What was not expected is often but an echo of the end of another process, and waits longer.

    Args:
        expected: whether it ends with a mistake of the user, and not with whatever went wrong.
        sure: whether it knows the cause of what all have met, of which one may have seen more than the main one.
    """
    main, quick = is_main_process(), expected and sure
    if launched_processes() == 1 or (quick and main):
        return
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # The main one of those that are not sure is the first of them.
    time.sleep(_EXPECTED_SECONDS if quick else _UNEXPECTED_SECONDS if main or not expected else _UNSURE_SECONDS)


def refuse_other_ways_to_train() -> None:
    """Look at what ``accelerate``'s launcher and configuration say of ways to train that a run does not know.

    Raises:
        InputError: DeepSpeed, FSDP, Megatron-LM or a parallelism of accelerate's is asked for.
    """
    for variable, name in _OTHER_WAYS.items():
        if os.environ.get(variable, "").lower() in ("1", "true", "yes", "on", "y", "t"):
            raise InputError(
                f"{variable} is {os.environ[variable]}, but a run trains by data parallelism, not by {name}: unset it, "
                f"or use accelerate launch --multi_gpu"
            )


def unused_settings(precision: str) -> list[str]:
    """A line for each setting of the environment that would change a run's numbers, and which is not used.

    Args:
        precision: of the recipe, ``fp32``, ``bf16`` or ``fp16``.
    """
    lines = []
    for variable, (neutral, instead) in _UNUSED.items():
        value = os.environ.get(variable, "").lower()
        if value not in ("", *neutral) and not (variable == _PRECISION and value == precision):
            lines.append(f"{variable}={os.environ[variable]} is not used: {instead}")
    return lines


def tell_launcher(message: str) -> None:
    """Leave the launcher the reason for the end of this process, if it asks for one.

    torchrun and accelerate end a failed launch with sixty lines of their own. The last ones name the process that
    failed first, and show what it left in a file; without one, they advise to read about tracebacks.
    """
    file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if not file:
        return
    extra = {"py_callstack": message, "timestamp": str(int(time.time()))}
    try:
        with open(file, "w", encoding="utf-8") as written:
            json.dump({"message": {"message": message, "extraInfo": extra}}, written)
    except OSError:  # the message itself has been printed
        return


def end_with_launcher() -> None:
    """Let the kernel send this process SIGTERM when its launcher ends, by SIGKILL too; nothing elsewhere than on Linux.

    Otherwise the processes of a launch whose launcher was killed would wait for each other for ever.
    """
    if launched_processes() == 1 or not sys.platform.startswith("linux"):
        return
    launcher = os.getppid()
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
    except AttributeError:  # another C library
        return
    if os.getppid() != launcher:  # it has just ended
        os.kill(os.getpid(), signal.SIGTERM)


def keep_freed_memory() -> None:
    """Let glibc keep freed memory for the next step instead of giving it back to the kernel; nothing elsewhere.

    Every step allocates the same large activations. By default each is mapped and faulted in anew, which took a fifth
    of a ResNet's step on two cores. It holds for the whole process, so programs call it, libraries do not.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
