"""What the environment says about the launch, before torch is imported."""

import ctypes
import json
import os
import sys
import time

# What launchers set when they start several processes; torchrun and accelerate set WORLD_SIZE.
_LAUNCHED = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def launched_processes() -> int:
    """How many processes the launcher says that it started, 1 without a launcher."""
    for variable in _LAUNCHED:
        value = os.environ.get(variable, "")
        if value.isdigit() and int(value) > 0:
            return int(value)
    return 1


def is_main_process() -> bool:
    """Whether this process should speak; known before accelerate has started."""
    return os.environ.get("RANK", "0") == "0"


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
