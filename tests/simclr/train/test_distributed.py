"""Real processes over gloo."""

import json
import os
import runpy
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


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.slow)])
def found(request):
    """What distributed_worker.py says of 2 and of 4 processes."""
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={request.param}", str(WORKER)]
    done = run(command)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_loss_gradients_and_batchnorm_equal_one_process(found):
    errors = {check["name"]: check["error"] for check in found["right"]}
    for dtype, bound in (("float32", 1e-6), ("float64", 1e-12)):
        for what in ("loss", "gradient of z", "gradients of parameters", "BatchNorm statistics"):
            assert errors[f"{dtype}: {what}"] <= bound
        for what in ("loss", "gradient of z", "gradients of parameters"):
            assert errors[f"{dtype}, uneven batch: {what}"] <= bound
        assert errors[f"{dtype}, 3 views: gradient of z"] <= bound
    assert errors["bf16 autocast: gradients of parameters"] <= 3e-2
    assert all(check["ok"] for check in found["right"])


def test_the_known_mistakes_are_found_out_in_every_precision(found):
    assert len(found["wrong"]) == (3 if found["processes"] == 2 else 0)
    for checks in found["wrong"].values():
        for check in checks:
            assert check["ok"] == ("gradient" not in check["name"]), check


def test_what_does_not_fit_together_is_an_error_in_every_process(found):
    words = {
        "dim": "(2, n, 9)",
        "views": "(3, n, 8)",
        "dtype": "float64",
        "axes": "axes",
        "NaN": "NaN",
        "infinity": "infinity",
        "temperature": "0.02",
        "decoupled": "True",
        "labels": "int64",
        "int32": "int32",
        "weights below 0": "weights that are below 0",
        "weights of a direction": "weights that are not symmetric",
        "keys": "(n, 1)",
        "tile": "tile is 0",
    }
    assert found["refused"].keys() == words.keys()
    for what, messages in found["refused"].items():
        assert len(set(messages)) == 1
        assert words[what] in messages[0]
        # What weights come out as is seen of all at once.
        assert what.startswith("weights") or f"process {len(messages) - 1}" in messages[0]
    assert all(message.startswith("returned") for message in found["after refusals"])


def test_views_do_not_depend_on_the_number_of_processes_or_a_restart(found, tmp_path):
    alone = runpy.run_path(str(WORKER.parent.parent / "views" / "view_digests.py"))["digests"](tmp_path)
    assert len(found["views"]) == found["processes"]
    assert sum(len(part) for part in found["views"]) == len(alone)
    assert {view: digest for part in found["views"] for view, digest in part.items()} == alone


def test_labels_and_weights_reach_over_processes(found):
    assert max(found["with options"]) < 1e-12


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
