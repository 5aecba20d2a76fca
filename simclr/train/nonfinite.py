"""Steps whose loss or gradients are no numbers: passed over without a trace, as often as the recipe allows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

_NAMED = 8  # steps in a sentence


class NonFinite:
    """Decides about each step whether it is taken; all processes decide alike, as they share loss and gradients.

    A single overflow, as of half precision, need not end a run of days. A forward pass leaves its traces in buffers,
    such as running statistics, so these are put back.

    Args:
        model: what learns.
        most: steps in a row that may be passed over; with 0 nothing is looked at.
        state: of a run that goes on, as of ``state``, among others; without such entries of a new one.
        scaled: whether a gradient scaler passes over gradients that overflow, which it expects; then the loss counts.

    Attributes:
        in_a_row: steps that were passed over just before the next one, and one more where that ends the run.
        steps: all that were.
    """

    def __init__(self, model: nn.Module, most: int, state: Mapping[str, Any], scaled: bool = False) -> None:
        self._model, self._most, self._scaled = model, most, scaled
        self._buffers: list[Tensor] = []
        self.in_a_row: int = state.get("skipped", 0)
        self.steps: list[int] = list(state.get("skipped_steps", ()))

    @property
    def state(self) -> dict[str, Any]:
        """For a run state: what makes it again."""
        return {"skipped": self.in_a_row, "skipped_steps": list(self.steps)}

    def begin_step(self) -> None:
        """Before the forward pass of a step."""
        if self._most:
            self._buffers = [buffer.clone() for buffer in self._model.buffers()]

    def passes_over(self, step: int, loss: float) -> bool:
        """Whether the step is passed over: then gradients and buffers are as they were before it.

        Args:
            step: its number.
            loss: of the global batch, after the backward pass.

        Returns:
            False where all is finite, and where too many in a row were not: then ``too_many`` says so.
        """
        if not self._most or self._is_finite(loss):
            self.in_a_row = 0
            return False
        self.in_a_row += 1
        if self.too_many:
            return False
        self.steps.append(step)
        for parameter in self._model.parameters():
            parameter.grad = None
        with torch.no_grad():
            for buffer, before in zip(self._model.buffers(), self._buffers):
                buffer.copy_(before)
        return True

    @property
    def too_many(self) -> bool:
        """Whether the last step was one too many in a row."""
        return self.in_a_row > self._most

    @property
    def updated(self) -> int:
        """How many steps before the one that goes wrong the last update was."""
        return max(1, self.in_a_row)

    def before(self, step: int) -> str:
        """The end of a sentence about a step that goes wrong: which before it were passed over, if any."""
        row = self.in_a_row - 1
        return f"; {_steps(list(range(step - row, step)))} before it too, and passed over" if row > 0 else ""

    def describe(self) -> str | None:
        """A line on what was passed over in the run; None where nothing was."""
        if not self.steps:
            return None
        return f"passed over, as loss or gradients were not finite: {_steps(self.steps)}"

    def _is_finite(self, loss: float) -> bool:
        gradients = (p.grad for p in self._model.parameters() if p.grad is not None and not self._scaled)
        return math.isfinite(loss) and all(bool(gradient.isfinite().all()) for gradient in gradients)


def _steps(steps: list[int]) -> str:
    shown = ", ".join(map(str, steps[:_NAMED])) + (", …" if len(steps) > _NAMED else "")
    return f"{len(steps):,} {'step' if len(steps) == 1 else 'steps'} ({shown})"
