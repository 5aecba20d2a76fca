"""When the run states of a run are written, of either loop, and that nothing broken ever is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from simclr.data import Source
from simclr.data.feed import note_damaged
from simclr.errors import DivergenceError
from simclr.run.begin import Begun
from simclr.run.checkpoint import diverged, save_run_state
from simclr.train.distributed import of_all, state_of


class RunStates:
    """Writes run states into ``checkpoints``, and knows when the last one was.

    Args:
        accelerator: of this process.
        model, optimizer: what learns.
        source: what it learns from.
        begun: what the main process remembers; None in the others, which write nothing.
        checkpoints: the run's folder of run states.
        minutes: after which one is written at the latest.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        source: Source,
        begun: Begun | None,
        checkpoints: Path,
        minutes: float,
    ) -> None:
        self._accelerator, self._model, self._optimizer, self._source = accelerator, model, optimizer, source
        self._begun, self._checkpoints, self._seconds = begun, checkpoints, 60 * minutes
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
            save_run_state(self._checkpoints, done, {**state, **self._begun.remembered, **(more or {})})
        self._saved = time.perf_counter()
        note_damaged(self._source, of_all(self._accelerator, self._source.damaged))
