"""Shared by all tests."""

import os

import pytest

# Two test processes beside each other would otherwise wait for each other's threads.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ["WANDB_MODE"] = "offline"
os.environ["WANDB_SILENT"] = "true"


@pytest.fixture
def fresh_accelerate():
    """accelerate keeps its state for the whole process; a test that starts a run wants a new one."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
