"""Does a run that is killed and resumed end as one that was left alone? Tried by `simclr verify --resume`.

The same run is made twice by processes of their own: once undisturbed, once ended by SIGKILL at random moments, with
everything that it started, and resumed each time. Then metrics, weights and the last run state are compared bit by bit.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import torch
from torch import Tensor

from simclr.errors import InputError
from simclr.launch import launched_processes
from simclr.run.checkpoint import load_run_state, run_states
from simclr.run.run_folder import is_run_folder

SHORT = ("digits", "train.max_steps=60", "train.checkpoint_every=10", "monitor.every=5")
"""The run that is tried unless another is given: some seconds."""

_LONGEST = 3600.0  # seconds of a run before it counts as hung


class Trial(NamedTuple):
    """A run to be killed.

    Attributes:
        arguments: of ``simclr pretrain`` (or another command with --output and --resume): recipe and overrides.
        processes: that it is launched on.
        command: the command of simclr.
    """

    arguments: tuple[str, ...] = SHORT
    processes: int = 1
    command: str = "pretrain"

    def line(self, output: Path, resume: bool) -> list[str]:
        """What is started."""
        start = [sys.executable, "-m"]
        if self.processes > 1:
            start += ["accelerate.commands.launch", "--multi_gpu", "--num_machines", "1", "--main_process_port", "0"]
            start += ["--num_processes", str(self.processes), "-m"]
        how = ["--resume"] if resume else []
        return [*start, "simclr", self.command, *self.arguments, "--output", str(output), *how]


class Killed(NamedTuple):
    """A run that was killed and resumed to its end.

    Attributes:
        moments: after how many seconds of its process it was killed, each time.
        steps: number of steps that were done by then, as far as its metrics tell.
        differences: from the run that was left alone: nothing, where all is well.
    """

    moments: tuple[float, ...]
    steps: tuple[int, ...]
    differences: tuple[str, ...]


def run_undisturbed(trial: Trial, output: Path) -> float:
    """The run from its beginning to its end.

    Returns:
        The seconds that it took, the start of its process included.

    Raises:
        InputError: it failed; says how.
    """
    begun = time.perf_counter()
    _finish(trial, output, resume=False)
    return time.perf_counter() - begun


def run_killed(trial: Trial, output: Path, whole: Path, seconds: float, kills: int, seed: int) -> Killed:
    """The same run, killed at random moments, each followed by a resume, and compared.

    Args:
        trial: what is run.
        output: its folder.
        whole: folder of the run that was left alone.
        seconds: that it took; moments are uniform within them.
        kills: how often at most: a run that ends before its moment is not killed any more.
        seed: of the moments.

    Raises:
        InputError: a resume failed; says how.
    """
    rng, moments, steps = random.Random(seed), [], []
    for _ in range(kills):
        moment = rng.uniform(0.0, 0.8 * seconds)  # the first start is the slowest
        if not _kill_after(trial, output, moment):
            break
        moments.append(moment)
        steps.append(len(_metrics(output)))
    if not (output / "encoder.safetensors").exists():
        _finish(trial, output, resume=is_run_folder(output))
    return Killed(tuple(moments), tuple(steps), tuple(differences(output, whole)))


def differences(one: Path, other: Path) -> list[str]:
    """What differs between two finished runs: metrics but for their seconds, encoder files, last run states."""
    found = []
    ours, theirs = _metrics(one), _metrics(other)
    if len(ours) != len(theirs):
        found.append(f"{len(ours)} lines of metrics, {len(theirs)} in the other")
    changed = next((a["step"] for a, b in zip(ours, theirs) if a != b), None)
    if changed is not None:
        found.append(f"metrics from step {changed} on")
    if (one / "encoder.safetensors").read_bytes() != (other / "encoder.safetensors").read_bytes():
        found.append("encoder.safetensors")
    states = [run_states(folder / "checkpoints") for folder in (one, other)]
    if not all(states):
        found.append("run states are missing")
    elif states[0][-1].name != states[1][-1].name:
        found.append(f"the last run state is {states[0][-1].name}, {states[1][-1].name} in the other")
    elif not _equal(*(load_run_state(files[-1]) for files in states)):
        found.append(f"content of {states[0][-1].name}")
    return found


def run_verify_resume(kills: int, processes: int, arguments: Sequence[str] = (), seed: int | None = None) -> bool:
    """`simclr verify --resume`: says what was done, and whether all is the same.

    Args:
        kills: how often the run is killed.
        processes: of the run.
        arguments: recipe and overrides; a short run when empty.
        seed: of the moments; by default another one each time.

    Returns:
        Whether nothing differs.

    Raises:
        InputError: the run itself fails, or this is one of several processes.
    """
    if launched_processes() > 1:
        raise InputError("simclr verify --resume launches processes of its own: start it alone, with --processes N")
    trial = Trial(tuple(arguments) or SHORT, processes)
    seed = random.randrange(1 << 16) if seed is None else seed
    with tempfile.TemporaryDirectory(prefix="simclr-verify-") as folder:
        whole, cut = Path(folder) / "whole", Path(folder) / "killed"
        where = f"on {processes} process{'es' if processes > 1 else ''}"
        print(f"simclr pretrain {' '.join(trial.arguments)} {where}, undisturbed …", flush=True)
        seconds = run_undisturbed(trial, whole)
        print(f"  {seconds:.0f} s, {len(_metrics(whole))} steps; now killed {kills} times (seed {seed}) …", flush=True)
        killed = run_killed(trial, cut, whole, seconds, kills, seed)
    for moment, steps in zip(killed.moments, killed.steps):
        print(f"  killed after {moment:.1f} s, {steps} steps done; resumed")
    if len(killed.moments) < kills:
        print(f"  it ended before it could be killed {'again' if killed.moments else 'at all'}")
    if not killed.moments:
        print("nothing was tried: start it again")
        return False
    if killed.differences:
        print(f"FAILED: not the same: {'; '.join(killed.differences)}")
    else:
        print("metrics, weights and the last run state are the same, bit by bit")
    return not killed.differences


def _finish(trial: Trial, output: Path, resume: bool) -> None:
    try:
        done = subprocess.run(trial.line(output, resume), capture_output=True, text=True, timeout=_LONGEST)
    except subprocess.TimeoutExpired:
        raise InputError(f"the run in {output} did not end within {_LONGEST / 60:.0f} minutes") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        said = next((line for line in reversed(lines) if "simclr:" in line), lines[-1] if lines else "nothing was said")
        how = "resumed run" if resume else "run"
        raise InputError(f"the {how} itself fails with exit status {done.returncode}: {said}")


def _kill_after(trial: Trial, output: Path, seconds: float) -> bool:
    """Start the run, or go on with it, and kill all of its processes after some time; False if it ended before."""
    process = psutil.Popen(
        trial.line(output, resume=is_run_folder(output)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(seconds)
        return False
    except psutil.TimeoutExpired:
        pass
    family = [*process.children(recursive=True), process]
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(family)
    return True


def _metrics(folder: Path) -> list[dict[str, Any]]:
    """Lines of metrics.jsonl without what differs between equal runs; a half one at the end is left out."""
    file, found = folder / "metrics.jsonl", []
    for line in file.read_text().splitlines() if file.exists() else []:
        with suppress(ValueError):
            found.append({key: value for key, value in json.loads(line).items() if key != "seconds"})
    return found


def _equal(a: Any, b: Any) -> bool:
    """Whether two run states hold the same bits."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype == b.dtype and a.shape == b.shape and _bits(a) == _bits(b)
    if isinstance(a, Mapping):
        return isinstance(b, Mapping) and a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(_equal, a, b))
    return bool(a == b) or (a != a and b != b)


def _bits(x: Tensor) -> bytes:
    return x.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
