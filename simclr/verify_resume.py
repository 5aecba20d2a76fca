"""Does a run that is killed and resumed end as one that was left alone? Tried by `simclr verify --resume`.

The same run is made twice by processes of their own: once undisturbed, once ended by SIGKILL at random steps, with
everything that it started, and resumed each time. Then metrics, weights and the last run state are compared bit by bit.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from statistics import median
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
_LOOK = 0.005  # seconds between two looks at its metrics


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


class Kill(NamedTuple):
    """How a run was killed: after so many steps, as far as its metrics told, and how many seconds of its process."""

    steps: int
    seconds: float


class Killed(NamedTuple):
    """A run that was killed and resumed to its end.

    Attributes:
        kills: each of them.
        differences: from the run that was left alone: nothing, where all is well.
    """

    kills: tuple[Kill, ...]
    differences: tuple[str, ...]


def run_undisturbed(trial: Trial, output: Path) -> None:
    """The run from its beginning to its end.

    Raises:
        InputError: it failed; says how.
    """
    _finish(trial, output, resume=False)


def run_killed(
    trial: Trial, output: Path, whole: Path, kills: int, seed: int, say: Callable[[Kill], None] | None = None
) -> Killed:
    """The same run, killed at random moments, each followed by a resume, and compared.

    The steps are drawn at random; a kill waits until the metrics tell of one, and then for as long as up to three steps
    take. So it falls into the loop however slow the machine is, or after the last step, into what a run writes then.

    Args:
        trial: what is run.
        output: its folder.
        whole: folder of the run that was left alone.
        kills: how often at most: a run whose steps are all made is not killed any more.
        seed: of the moments.
        say: told of each kill.

    Raises:
        InputError: a resume failed; says how.
    """
    rng, found, done, total = random.Random(seed), list[Kill](), 0, len(_metrics(whole))
    pause = 3 * _seconds_a_step(whole)
    for step in sorted(rng.sample(range(1, total + 1), min(kills, total))):
        if done == total:
            break
        kill = _kill_at(trial, output, max(step, done + 1), rng.uniform(0.0, pause))
        if kill is None:  # it had ended
            break
        found.append(kill)
        done = max(done, kill.steps)
        if say:
            say(kill)
    if not (output / "encoder.json").exists():
        _finish(trial, output, resume=is_run_folder(output))
    return Killed(tuple(found), tuple(differences(output, whole)))


def run_killed_early(trial: Trial, output: Path, whole: Path, seconds: float) -> Killed:
    """The same run, killed so many seconds after its start, resumed and compared, as `run_killed`."""
    kill = _kill_at(trial, output, 0, seconds)
    if not (output / "encoder.json").exists():
        _finish(trial, output, resume=is_run_folder(output))
    return Killed(() if kill is None else (kill,), tuple(differences(output, whole)))


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

    def say(kill: Kill) -> None:
        print(f"  killed after step {kill.steps}, {kill.seconds:.1f} s after its start", flush=True)

    with tempfile.TemporaryDirectory(prefix="simclr-verify-") as folder:
        whole, cut = Path(folder) / "whole", Path(folder) / "killed"
        where = f"on {processes} process{'es' if processes > 1 else ''}"
        print(f"simclr pretrain {' '.join(trial.arguments)} {where}, undisturbed …", flush=True)
        run_undisturbed(trial, whole)
        print(f"  {len(_metrics(whole))} steps; now killed {kills} times and resumed (seed {seed}) …", flush=True)
        killed = run_killed(trial, cut, whole, kills, seed, say)
    if len(killed.kills) < kills:
        print(f"  it ended before it could be killed {'again' if killed.kills else 'at all'}")
    if not killed.kills:
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


def _kill_at(trial: Trial, output: Path, steps: int, pause: float) -> Kill | None:
    """Start the run, or go on with it, and kill all of its processes; None if it ended before.

    Args:
        trial, output: as of `run_killed`.
        steps: wait until its metrics tell of so many.
        pause: seconds to wait then.

    Raises:
        InputError: it does not come so far.
    """
    begun, quiet = time.perf_counter(), subprocess.DEVNULL
    process = psutil.Popen(trial.line(output, resume=is_run_folder(output)), stdout=quiet, stderr=quiet)
    while len(_metrics(output)) < steps and time.perf_counter() - begun < _LONGEST:
        with suppress(psutil.TimeoutExpired):
            process.wait(_LOOK)
            return None
    with suppress(psutil.TimeoutExpired):
        process.wait(pause)
        return None
    family = [*process.children(recursive=True), process]
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(family)
    done, seconds = len(_metrics(output)), time.perf_counter() - begun
    if done < steps:
        raise InputError(f"the run in {output} did not come to step {steps} within {_LONGEST / 60:.0f} minutes")
    return Kill(done, seconds)


def _seconds_a_step(folder: Path) -> float:
    """The median, of a run that was left alone."""
    file = folder / "metrics.jsonl"
    seconds = [json.loads(line)["seconds"] for line in file.read_text().splitlines()]
    return median(b - a for a, b in pairwise(seconds)) if len(seconds) > 1 else seconds[0]


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
