"""Steps whose loss or gradients are no numbers: passed over without a trace, as often as the recipe allows."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class NonFinite:
    """Decides about each step whether it is taken; all processes decide alike, as they share loss and gradients.

    A single overflow, as of half precision, need not end a run of days. A forward pass leaves its traces in buffers,
    such as running statistics, so these are put back.

    Args:
        model: what learns.
        most: steps in a row that may be passed over; with 0 nothing is looked at.
        in_a_row: how many have been, before the first step of this process.
    """

    def __init__(self, model: nn.Module, most: int, in_a_row: int = 0) -> None:
        self._model, self._most = model, most
        self._buffers: list[Tensor] = []
        self.in_a_row = in_a_row

    def begin_step(self) -> None:
        """Before the forward pass of a step."""
        if self._most:
            self._buffers = [buffer.clone() for buffer in self._model.buffers()]

    def passes_over(self, loss: float) -> bool:
        """Whether the step is passed over: then gradients and buffers are as they were before it.

        Args:
            loss: of the global batch, after the backward pass.

        Returns:
            False where all is finite, and where too many in a row were not: then the loss says so.
        """
        if not self._most or self._is_finite(loss):
            self.in_a_row = 0
            return False
        self.in_a_row += 1
        if self.in_a_row > self._most:
            return False
        for parameter in self._model.parameters():
            parameter.grad = None
        with torch.no_grad():
            for buffer, before in zip(self._model.buffers(), self._buffers):
                buffer.copy_(before)
        return True

    def _is_finite(self, loss: float) -> bool:
        gradients = (p.grad for p in self._model.parameters() if p.grad is not None)
        return math.isfinite(loss) and all(bool(gradient.isfinite().all()) for gradient in gradients)
