"""Real processes over gloo."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from simclr.data.order import SampleOrder
from simclr.errors import InputError
from simclr.train.distributed import any_process, of_all, of_main, start_accelerator
from simclr.views.drawn_views import choose_samples

WORKER = Path(__file__).with_name("distributed_worker.py")

HEALTH = ("rankme", "alignment", "uniformity", "z_std", "contrastive_accuracy")


def run(command: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **env}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def last(folder: Path) -> dict[str, float]:
    return json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])


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


def test_what_one_process_knows_all_know(found):
    names = ["both", *(f"of {rank}" for rank in range(found["processes"]))]
    ranks = range(found["processes"])
    for rank, (flags, all_names, said, rows) in enumerate(found["agreed"]):
        assert (flags, all_names, said) == ([True, False], names, "said by 0")
        assert rows == [other for one in sorted(ranks, key=lambda one: (one != rank, one)) for other in (one, one)]


def test_labels_and_weights_reach_over_processes(found):
    assert max(found["with options"]) < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["digits", "indian-pines"])
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
    # How the representation is, is said of the whole batch, too.
    one, two = ({name: last(tmp_path / run)[name] for name in HEALTH} for run in ("one", "two"))
    assert two == pytest.approx(one, rel=2e-2)


@pytest.mark.slow
def test_processes_that_do_not_see_each_other_are_an_error(tmp_path):
    command = [sys.executable, "-m", "simclr", "pretrain", "digits", "--output", str(tmp_path), "train.max_steps=1"]
    done = run(command, SLURM_STEP_NUM_TASKS="2")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "separate copies" in done.stderr


LAUNCH = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
PHOTOS = ["image-folder", "data.image_size=null", "data.feed=stream", "data.workers=0", "augment.resized_crop.size=8"]
PHOTOS += ["encoder.name=resnet10", "encoder.width=4", "encoder.stem=small", "augment.blur.kernel_size=3"]
PHOTOS += ["train.batch_size=4", "train.precision=fp32", "augment.color_jitter=null", "augment.grayscale=null"]
PHOTOS += ["data.normalize=none"]  # else up to 10,000 of them are read at the start
N = 200


def photo_that_process_1_alone_reads(folder: Path) -> tuple[Path, int]:
    """Writes photographs; one of them that is first read at the returned step, by process 1 of 2."""
    folder.mkdir()
    for i in range(N):
        pixels = np.random.default_rng(i).integers(0, 255, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03}.png")
    # At the start, up to 64 spread over all are read, and those of the picture of views.
    seen = {k * N // part for part in (8, 16, 32, 64) for k in range(part)} | set(choose_samples(0, N, 6).tolist())
    order = SampleOrder(N, 4, seed=0, rank=1, world_size=2)
    i, step = next((i, step) for step in range(1, 50) for i in order.at(step).tolist() if i not in seen)
    return folder / f"{i:03}.png", step


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("simclr:")]


def pretrain_on(folder: Path, steps: int, output: Path) -> subprocess.CompletedProcess[str]:
    options = [*PHOTOS, f"data.path={folder}", f"train.max_steps={steps}", "train.checkpoint_every=1"]
    start = [*LAUNCH, "--main_process_port", "29741", "-m", "simclr", "pretrain"]
    return run([*start, *options, "--output", str(output)])


@pytest.mark.slow
def test_a_mistake_that_one_process_meets_is_one_line_and_ends_all(tmp_path):
    picture, step = photo_that_process_1_alone_reads(tmp_path / "photos")
    Image.new("RGB", (20, 10)).save(picture)
    done = pretrain_on(picture.parent, step + 2, tmp_path / "run")
    assert done.returncode != 0
    (line,) = lines_of(done.stderr)
    assert f"{picture} has 20x10 pixels" in line
    assert line.endswith(f"--resume goes on from {tmp_path}/run/checkpoints/step-{step:08}.pt")


@pytest.mark.slow
def test_a_damaged_image_that_another_process_meets_is_named_by_the_main_one(tmp_path):
    picture, step = photo_that_process_1_alone_reads(tmp_path / "photos")
    picture.write_bytes(picture.read_bytes()[:60])
    done = pretrain_on(picture.parent, step + 2, tmp_path / "run")
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"1 damaged image was skipped: {picture.name}" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["all", "process 1"])
def test_a_signal_ends_all_processes_after_the_same_step_with_a_state(tmp_path, whom):
    folder = tmp_path / "run"
    start = [*LAUNCH, "--main_process_port", "29742", "-m", "simclr", "pretrain", "digits", "encoder.width=4"]
    command = [*start, "train.batch_size=64", "train.epochs=1000", "--output", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
    ) as launch:
        while not ((folder / "metrics.jsonl").exists() and len(losses(folder)) > 3):
            assert launch.poll() is None
            time.sleep(0.1)
        ranks = subprocess.run(["pgrep", "-P", str(launch.pid)], capture_output=True, text=True).stdout.split()
        os.kill(launch.pid if whom == "all" else int(ranks[-1]), signal.SIGTERM)
        error = launch.communicate(timeout=120)[1]
    (state,) = (folder / "checkpoints").iterdir()
    assert lines_of(error)[-1] == f"simclr: stopped by SIGTERM; --resume goes on from {state}"
    assert state.name == f"step-{len(losses(folder)):08}.pt"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux tells a process of its parent's end")
def test_processes_end_with_a_launcher_that_was_killed_and_leave_a_state(tmp_path):
    folder = tmp_path / "run"
    start = [*LAUNCH, "--main_process_port", "29743", "-m", "simclr", "pretrain", "digits", "encoder.width=4"]
    command = [*start, "train.batch_size=64", "train.epochs=1000", "--output", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment) as launch:
        while not ((folder / "metrics.jsonl").exists() and len(losses(folder)) > 3):
            assert launch.poll() is None
            time.sleep(0.1)
        ranks = [psutil.Process(launch.pid).children()[i] for i in (0, 1)]
        launch.kill()
    assert psutil.wait_procs(ranks, timeout=60)[1] == []
    (state,) = (folder / "checkpoints").iterdir()
    assert state.name == f"step-{len(losses(folder)):08}.pt"


def test_fp16_where_the_environment_takes_the_cpu_is_refused(monkeypatch, fresh_accelerate):
    """accelerate would compute in fp32 there without a word."""
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)  # as with a GPU
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    with pytest.raises(InputError, match="ACCELERATE_USE_CPU is set: unset it"):
        start_accelerator("fp16")


def test_what_is_agreed_by_one_process_is_what_it_says(fresh_accelerate):
    accelerator = start_accelerator()
    assert any_process(accelerator, True, False) == [True, False]
    assert of_all(accelerator, ["a", "b", "a"]) == ["a", "b"]
    assert of_main(accelerator, None) is None
