"""Real processes over gloo."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

WORKER = Path(__file__).with_name("objectives_worker.py")


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.slow)])
def everyone(request, tmp_path_factory):
    """What each of 2 and of 4 processes found."""
    file = tmp_path_factory.mktemp("found") / "everyone.pt"
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={request.param}", str(WORKER)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, str(file)], capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(file)


@pytest.fixture(scope="module")
def alone():
    return runpy.run_path(str(WORKER))["gradients"]()


def test_values_gradients_and_state_equal_one_process(everyone, alone):
    wrong = {}
    for process in everyone:
        for objective, found in process["found"].items():
            for what, value in found.items():
                expected = alone[objective][what]
                off = (value - expected).norm() / expected.norm().clamp_min(1e-12)
                if not off <= 1e-6:
                    wrong[f"{objective}: {what}"] = off.item()
    assert not wrong
    assert all(found["gradient of the network"].norm() > 1e-4 for found in alone.values())


def test_every_process_has_the_same_to_the_last_bit(everyone):
    first, *others = everyone
    for other in others:
        for objective, found in first["found"].items():
            for what, value in found.items():
                assert torch.equal(value, other["found"][objective][what]), (objective, what)


def test_mistakes_are_errors_in_every_process(everyone):
    words = {
        "NaN in the last": f"objective triplet: process {len(everyone) - 1}: embeddings hold NaN",
        "no positives": "no two samples of one class",
        "no negatives": "a single class",
        "another dim": "embeddings differs over the processes: (n, 5) float32 in process 0, (n, 4)",
        "another margin": "margin differs over the processes: 0.5 in process 0, 1.5 in process 1",
        "positives in other processes alone": "fine",
    }
    for process in everyone:
        assert process["refused"].keys() == words.keys()
        for case, heard in process["refused"].items():
            assert words[case] in heard
