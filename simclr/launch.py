"""What the environment says about the launch, before torch is imported."""

import os

# What launchers set when they start several processes; torchrun and accelerate set WORLD_SIZE.
_LAUNCHED = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")


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
