"""What the environment of a launch says, which process speaks, and what the launcher learns."""

import json
import os
import subprocess
import sys

import pytest

from simclr import launch
from simclr.errors import InputError
from simclr.launch import tell_launcher

LAUNCH = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")


@pytest.fixture(autouse=True)
def no_launch(monkeypatch):
    for variable in [*LAUNCH, *(name for name in os.environ if name.startswith("ACCELERATE_"))]:
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize(
    ("variables", "speaks"),
    [
        ({}, True),
        ({"RANK": "1"}, True),  # left over: nobody else is there
        ({"RANK": "1", "WORLD_SIZE": "1"}, True),
        ({"RANK": "0", "WORLD_SIZE": "2"}, True),
        ({"RANK": "1", "WORLD_SIZE": "2"}, False),
        ({"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4"}, False),
        ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "4"}, True),
    ],
)
def test_the_main_process_speaks_and_so_does_one_that_is_alone(monkeypatch, variables, speaks):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert launch.is_main_process() is speaks


@pytest.mark.slow
@pytest.mark.parametrize("rank", ["1", "0"])
def test_no_refusal_is_silent(rank):
    """Whatever the environment says of other processes, one that outlives them has the word."""
    for size in ("1", "2"):
        environment = {**os.environ, "RANK": rank, "WORLD_SIZE": size}
        command = [sys.executable, "-m", "simclr", "pretrain", "nosuch"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
        assert done.returncode == 2
        assert done.stderr.startswith("simclr: there is no recipe 'nosuch'")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("way", ["DEEPSPEED", "FSDP", "MEGATRON_LM", "PARALLELISM_CONFIG"])
def test_other_ways_to_train_are_refused(monkeypatch, way):
    monkeypatch.setenv(f"ACCELERATE_USE_{way}", "true")
    with pytest.raises(InputError, match=f"ACCELERATE_USE_{way} is true.*unset it"):
        launch.refuse_other_ways_to_train()
    monkeypatch.setenv(f"ACCELERATE_USE_{way}", "false")
    launch.refuse_other_ways_to_train()


def test_settings_that_are_not_used_are_said(monkeypatch):
    for name, value in [("MIXED_PRECISION", "no"), ("DYNAMO_BACKEND", "NO"), ("GRADIENT_ACCUMULATION_STEPS", "1")]:
        monkeypatch.setenv(f"ACCELERATE_{name}", value)
    assert launch.unused_settings("fp32") == []
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    assert launch.unused_settings("bf16") == []
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "INDUCTOR")
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    lines = launch.unused_settings("fp32")
    assert [line.split(" is not used")[0] for line in lines] == [
        "ACCELERATE_GRADIENT_ACCUMULATION_STEPS=4",
        "ACCELERATE_MIXED_PRECISION=bf16",
        "ACCELERATE_DYNAMO_BACKEND=INDUCTOR",
    ]


@pytest.mark.slow
def test_the_last_lines_of_a_launcher_say_what_was_wrong():
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "simclr"]
    done = subprocess.run(
        [*launch, "pretrain", "image-folder", "data.path=/no/where"], capture_output=True, text=True, timeout=200
    )
    assert done.returncode != 0
    said = "simclr: data.path is /no/where, which does not exist"
    root_cause = done.stderr.split("Root Cause")[1]
    assert said in root_cause
    assert "To enable traceback" not in root_cause


def test_without_a_launcher_or_a_place_to_write_nothing_happens(monkeypatch, tmp_path):
    monkeypatch.delenv("TORCHELASTIC_ERROR_FILE", raising=False)
    tell_launcher("simclr: no")
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "none" / "error.json"))
    tell_launcher("simclr: no")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("message", ["simclr: two", "caf\udce9 \u4e2d"])
def test_the_reason_is_in_the_form_that_launchers_read(monkeypatch, tmp_path, message):
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "error.json"))
    tell_launcher(message)
    written = json.loads((tmp_path / "error.json").read_text())
    assert written["message"]["message"] == written["message"]["extraInfo"]["py_callstack"] == message
    assert int(written["message"]["extraInfo"]["timestamp"]) > 1_700_000_000
