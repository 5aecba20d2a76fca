"""When the run states of a run are written, of either loop, and that nothing broken ever is."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from simclr.data import Source
from simclr.data.feed import note_damaged
from simclr.errors import DivergenceError, InputError
from simclr.files import write_atomically
from simclr.recipe.read import Experiment
from simclr.recipe.schema import Optimisation
from simclr.run.begin import Begun
from simclr.run.checkpoint import (
    DIVERGED,
    Keeping,
    diverged,
    given_state,
    load_run_state,
    newest_whole_state,
    run_states,
    save_run_state,
)
from simclr.run.replaced import is_aside
from simclr.run.resume import finished
from simclr.train.distributed import of_all, of_main, on_main_first, state_of
from simclr.train.divergence import Cause

_USUALLY_KEPT = 2


def state_to_go_on_from(
    accelerator: Accelerator, checkpoints: Path, resume: bool | Path, say: Callable[[str], None]
) -> dict[str, Any]:
    """What a run begins with: a state of its folder, or nothing but step 0. Every process calls it.

    Args:
        accelerator: of this process.
        checkpoints: the run's folder of run states.
        resume: from the newest whole one, from the beginning where there is none; or the file of one.
        say: prints a line for the user.

    Raises:
        InputError: no state is whole, or the one that was asked for is not, or none of this run.
    """

    def choose() -> str | None:
        return given_state(checkpoints, resume) if isinstance(resume, Path) else newest_whole_state(checkpoints, say)

    name = of_main(accelerator, on_main_first(accelerator, choose) if resume else None)
    if resume and name is None:
        say("there is no run state to go on from: the run begins anew")
    return load_run_state(checkpoints / name) if name else {"step": 0}


def numbers_if_finished(
    accelerator: Accelerator, output: Path, recipe: Experiment, state: Mapping[str, Any], say: Callable[[str], None]
) -> dict[str, Any] | None:
    """The numbers of a run that is resumed after its end, which then stays as it is; None of one that goes on.

    Every process calls it.

    Args:
        accelerator: of this process.
        output: the run's folder.
        recipe: that it is to be resumed with.
        state: the newest of its run states.
        say: prints a line for the user.
    """
    numbers = of_main(accelerator, on_main_first(accelerator, lambda: finished(output, recipe, state)))
    if numbers and accelerator.is_main_process:
        say(
            f"the run in {output} is finished ({state['step']:,} steps), and stays as it is; --change train.epochs "
            f"train.epochs=N asks for more of them, --overwrite for another run"
        )
    return numbers


def steps_between_states(train: Optimisation, steps_per_epoch: int, total_steps: int) -> int:
    """After how many steps a run state is written."""
    return train.checkpoint_every or max(steps_per_epoch, total_steps // 10)


def states_kept(train: Optimisation, total_steps: int, save_every: int) -> int:
    """How many run states lie there in the end: the last ones, and those whose step is a multiple of a number.

    Args:
        train: section of the recipe.
        total_steps: of the run.
        save_every: steps between run states; those that come by time are not foreseen.
    """
    if train.checkpoint_keep_every is None:
        return train.checkpoint_keep
    before = (-(-total_steps // save_every) - train.checkpoint_keep) * save_every  # the last of those that may go
    return train.checkpoint_keep + max(0, before) // math.lcm(save_every, train.checkpoint_keep_every)


def check_room(
    checkpoints: Path, model: nn.Module, train: Optimisation, files: int, best: nn.Module | None = None
) -> str | None:
    """Whether the disk has room for the run states that are kept, and for the one that is being written.

    Args:
        checkpoints: the run's folder of run states; what lies there already will be replaced.
        model: what learns.
        train: section of the recipe.
        files: run states that are kept, see :func:`states_kept`.
        best: whose weights a state holds a second time.

    Returns:
        A line that says what they take, where they are more than usual.

    Raises:
        InputError: there is no room; says how much is missing.
    """
    learned = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    size = learned * (2 if train.optimizer == "adamw" else 1) + _size(model) + (_size(best) if best else 0)
    folder = next(parent for parent in checkpoints.absolute().parents if parent.is_dir())
    room = shutil.disk_usage(folder).free + sum(file.stat().st_size for file in run_states(checkpoints))
    if room < (files + 1) * size:
        less = "" if files == _USUALLY_KEPT else ", keep fewer (train.checkpoint_keep, train.checkpoint_keep_every)"
        raise InputError(
            f"{folder} has room for {room / 2**20:,.1f} MiB, but {files + 1:,} run states of {size / 2**20:,.1f} MiB "
            f"each will lie there: free some space{less}, or give an --output on another disk"
        )
    if files <= _USUALLY_KEPT:
        return None
    return f"run states: {files:,} of {size / 2**20:,.1f} MiB each are kept, {files * size / 2**30:,.1f} GiB in all"


def _size(module: nn.Module) -> int:
    """Bytes of its parameters and buffers."""
    return sum(v.numel() * v.element_size() for v in module.state_dict().values() if isinstance(v, Tensor))


class RunStates:
    """Writes run states into ``checkpoints`` while the run goes on, and knows when the last one was.

    A state is copied at once and written by a thread; the next one waits for it, and so does the end of the run.

    Args:
        accelerator: of this process.
        model, optimizer: what learns.
        source: what it learns from.
        begun: what the main process remembers; None in the others, which write nothing.
        checkpoints: the run's folder of run states.
        train: section of the recipe: after how many minutes one is written at the latest, and which stay.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        source: Source,
        begun: Begun | None,
        checkpoints: Path,
        train: Optimisation,
    ) -> None:
        self._accelerator, self._model, self._optimizer, self._source = accelerator, model, optimizer, source
        self._begun, self._checkpoints, self._seconds = begun, checkpoints, 60 * train.checkpoint_minutes
        self._keeping = Keeping(train.checkpoint_keep, train.checkpoint_keep_every)
        self._saved = time.perf_counter()
        self._writer: Thread | None = None
        self._failed: BaseException | None = None

    @property
    def is_late(self) -> bool:
        """Whether the main process thinks that it is time for one."""
        return self._begun is not None and time.perf_counter() - self._saved > self._seconds

    def save(
        self,
        done: int,
        loss: float,
        why: Callable[[], Cause],
        more: Mapping[str, Any] | None = None,
        wait: bool = False,
    ) -> None:
        """Begin to write one; every process calls it.

        Args:
            done: number of steps that are done.
            loss: of the last one.
            why: says what went wrong, where the weights are no numbers any more.
            more: what the state holds beside model, optimizer, recipe and data.
            wait: until it is written.

        Raises:
            DivergenceError: the model has become NaN or infinite; the states before stay.
            InputError: it, or the one before, cannot be written, or more is damaged than the source allows.
        """
        if not self._is_finite():
            raise self.diverged(done - 1, loss, why())
        self.written()
        if self._begun:
            state = state_of(self._accelerator, self._model, self._optimizer)
            copy = _copied({**state, **self._begun.remembered, **(more or {})})
            self._writer = Thread(target=self._write, args=(done, copy), daemon=True)
            self._writer.start()
        if wait:
            self.written()
        self._saved = time.perf_counter()
        note_damaged(self._source, of_all(self._accelerator, self._source.damaged))

    def written(self) -> None:
        """Wait until the last state is on the disk.

        Raises:
            InputError: it cannot be written; the states before are as they were.
        """
        if self._writer is not None:
            self._writer.join()
            self._writer = None
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise failed

    def diverged(self, step: int, loss: float, why: Cause, before: str = "") -> DivergenceError:
        """What to raise when the loss of a step, or the weights after it, are NaN or infinite.

        Weights that are still finite are kept as they were before the step: `simclr replay` makes it again. What to say
        of steps ``before`` it ends the sentence.
        """
        with suppress(InputError):
            self.written()
        comes_back = is_aside(self._checkpoints.parent)  # the run that was to be overwritten
        if self._begun and self._is_finite() and not comes_back:
            state = {
                **state_of(self._accelerator, self._model, self._optimizer),
                **self._begun.remembered,
                "step": step,
            }
            with suppress(InputError, OSError):
                self._checkpoints.mkdir(exist_ok=True)
                write_atomically(self._checkpoints / DIVERGED, lambda file: torch.save(_copied(state), file))
        return DivergenceError(diverged(step, loss, why.text + before, self._checkpoints), why.sure)

    def __enter__(self) -> RunStates:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.written()
        elif not isinstance(error, KeyboardInterrupt):  # a second signal ends at once
            with suppress(InputError):
                self.written()

    def _is_finite(self) -> bool:
        return all(bool(p.isfinite().all()) for p in self._model.parameters())

    def _write(self, done: int, state: dict[str, Any]) -> None:
        try:
            save_run_state(self._checkpoints, done, state, self._keeping)
        except BaseException as error:  # raised where the run goes on
            self._failed = error


def _copied(state: Any) -> Any:
    """The same on the CPU, which later steps do not change."""
    if isinstance(state, Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {key: _copied(value) for key, value in state.items()}
    return [_copied(value) for value in state] if isinstance(state, list) else state
