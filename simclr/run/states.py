"""When the run states of a run are written, of either loop, and that nothing broken ever is."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from simclr.data import Source
from simclr.data.feed import note_damaged
from simclr.errors import DivergenceError, InputError
from simclr.recipe.schema import Optimisation
from simclr.run.begin import Begun
from simclr.run.checkpoint import (
    Keeping,
    diverged,
    given_state,
    load_run_state,
    newest_whole_state,
    run_states,
    save_run_state,
)
from simclr.train.distributed import of_all, of_main, on_main_first, state_of


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
    return load_run_state(checkpoints / name) if name else {"step": 0}


def check_room(checkpoints: Path, model: nn.Module, train: Optimisation) -> None:
    """Whether the disk has room for the run states that are kept, and for the one that is being written.

    Args:
        checkpoints: the run's folder of run states; what lies there already will be replaced.
        model: what learns.
        train: section of the recipe.

    Raises:
        InputError: it has not; says how much is missing.
    """
    learned = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    size = sum(v.numel() * v.element_size() for v in model.state_dict().values() if isinstance(v, Tensor))
    size += learned * (2 if train.optimizer == "adamw" else 1)
    files = train.checkpoint_keep + 1
    folder = next(parent for parent in checkpoints.absolute().parents if parent.is_dir())
    room = shutil.disk_usage(folder).free + sum(file.stat().st_size for file in run_states(checkpoints))
    if room < files * size:
        raise InputError(
            f"{folder} has room for {room / 2**20:,.0f} MiB, but {files} run states of {size / 2**20:,.0f} MiB each "
            f"will lie there: free some space, or give an --output on another disk"
        )


class RunStates:
    """Writes run states into ``checkpoints``, and knows when the last one was.

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

    @property
    def is_late(self) -> bool:
        """Whether the main process thinks that it is time for one."""
        return self._begun is not None and time.perf_counter() - self._saved > self._seconds

    def save(self, done: int, loss: float, why: Callable[[], str], more: Mapping[str, Any] | None = None) -> None:
        """Write one; every process calls it.

        Args:
            done: number of steps that are done.
            loss: of the last one.
            why: says what went wrong, where the weights are no numbers any more.
            more: what the state holds beside model, optimizer, recipe and data.

        Raises:
            DivergenceError: the model has become NaN or infinite; the states before stay.
            InputError: it cannot be written, or more is damaged than the source allows.
        """
        if not all(p.isfinite().all() for p in self._model.parameters()):
            raise DivergenceError(diverged(done - 1, loss, why(), self._checkpoints))
        if self._begun:
            state = state_of(self._accelerator, self._model, self._optimizer)
            save_run_state(self._checkpoints, done, {**state, **self._begun.remembered, **(more or {})}, self._keeping)
        self._saved = time.perf_counter()
        note_damaged(self._source, of_all(self._accelerator, self._source.damaged))
