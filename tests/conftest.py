"""Shared by all tests."""

import os

import pytest

# Two test processes beside each other would otherwise wait for each other's threads.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ["WANDB_MODE"] = "offline"
os.environ["WANDB_SILENT"] = "true"


@pytest.fixture
def fresh_accelerate(request, monkeypatch):
    """accelerate keeps its state for the whole process; a test that starts a run wants a new one.

    The picture of its views takes most of the time of a short run, and is drawn where the test is marked ``draws``.
    """
    from accelerate.state import AcceleratorState

    import simclr.finetune
    import simclr.pretrain

    if not request.node.get_closest_marker("draws"):
        for loop in (simclr.finetune, simclr.pretrain):
            monkeypatch.setattr(loop, "draw_views", lambda *given: None)
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
