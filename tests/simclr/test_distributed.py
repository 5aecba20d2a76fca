"""Real processes over gloo."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("distributed_worker.py")


def run(command: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **env}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("world_size", [2, 4])
def test_loss_gradients_and_batchnorm_equal_one_process(world_size):
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={world_size}", str(WORKER)]
    done = run(command)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("equal") == world_size


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param("digits", id="digits"),
        pytest.param("indian-pines", id="indian-pines", marks=pytest.mark.slow),
    ],
)
def test_two_processes_give_the_losses_of_one(tmp_path, recipe):
    """Step by step, at about the learning rates of the recipes' own first 20 steps."""
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "-m"]
    # A run of 20 steps warms up in 10, so its peak is lowered to about what the long warm-up reaches by then.
    options = ["monitor.knn=false", "train.max_steps=20", "train.lr=2.5e-4"]
    for name, start in (("one", [sys.executable, "-m"]), ("two", launch)):
        done = run([*start, "simclr", "pretrain", recipe, "--output", str(tmp_path / name), *options])
        assert done.returncode == 0, done.stderr[-3000:]
    assert "processes: 2" in done.stdout
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == len(two) == 20
    assert max(abs(a - b) / a for a, b in zip(one, two)) < 1e-4


def test_processes_that_do_not_see_each_other_are_an_error(tmp_path):
    command = [sys.executable, "-m", "simclr", "pretrain", "digits", "--output", str(tmp_path), "train.max_steps=1"]
    done = run(command, SLURM_STEP_NUM_TASKS="2")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "separate copies" in done.stderr
