"""One training step: views, encoder and head, loss, backward, update. A run takes it, and its plan times it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import Optimizer

from simclr.models.simclr import SimCLR
from simclr.train.grad_cache import backward_again, project_without_graph
from simclr.train.optimizer import set_lr

PHASES = ("reading", "augmentation", "forward", "loss", "backward", "optimizer")
"""Of a step, in their order; the loss's own backward pass counts as loss, that of the network as backward."""


Draw = Callable[[Tensor, Tensor, int], Tensor]
"""Images (b, C, H, W), ids (b,) and epoch -> views (V, b, C, h, w) of one size."""


class MicroBatch(NamedTuple):
    """What goes through the network at once: images (b, C, H, W), their ids (b,), and the epoch of their views."""

    images: Tensor
    ids: Tensor
    epoch: int


class Taken(NamedTuple):
    """What a step leaves before its update.

    Attributes:
        loss: of the global batch; may be NaN or infinite.
        h: representations (V, batch, feature_dim).
        z: projections (V, batch, dim).
        micro_batches: that the batch was taken in.
    """

    loss: float
    h: Tensor
    z: Tensor
    micro_batches: list[MicroBatch]

    def draw_again(self, draw: Draw) -> Tensor:
        """All views of one size (V, batch, C, h, w), once more."""
        return torch.cat([draw(*part) for part in self.micro_batches], dim=1)


class Clock(Protocol):
    """Hears when a phase of a step is over."""

    def end(self, phase: str) -> None:
        """Since the last call, ``phase`` of ``PHASES`` was going on."""


class NoClock:
    """Hears nothing."""

    def end(self, phase: str) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Learner:
    """What learns.

    Attributes:
        accelerator: of this process.
        model: encoder and head.
        distributed: the same, prepared by the accelerator.
        optimizer: of both, prepared by the accelerator.
    """

    accelerator: Accelerator
    model: SimCLR
    distributed: nn.Module
    optimizer: Optimizer


class TrainingStep:
    """A step of a run, in two halves between which the loss can be looked at.

    Args:
        learner: what learns.
        drawing: of each size of views.
        loss_of: projections z (V, batch, dim) and ids (batch,) -> the loss of the global batch.
        sizes: images of a process's micro batches; more than one means gradient caching.
        clock: hears when a phase is over.
    """

    def __init__(
        self,
        learner: Learner,
        drawing: Sequence[Draw],
        loss_of: Callable[[Tensor, Tensor], Tensor],
        sizes: list[int],
        clock: Clock | None = None,
    ) -> None:
        self.learner, self.drawing, self.loss_of, self.sizes = learner, drawing, loss_of, sizes
        self._clock, self._timed = clock or NoClock(), clock is not None
        self._going_on = PHASES[0]

    def gradients(self, batch: Tensor, ids: Tensor, epoch: int) -> Taken:
        """The first half: forward and backward, as far as every parameter's gradient.

        Args:
            batch: this process's images (b, C, H, W).
            ids: of their samples, (b,) int64.
            epoch: of their views.
        """
        accelerator, model = self.learner.accelerator, self.learner.model
        micro_batches = [MicroBatch(*part, epoch) for part in zip(batch.split(self.sizes), ids.split(self.sizes))]
        caching = len(self.sizes) > 1
        self._going_on = "reading"
        if caching:
            h, z = project_without_graph(self._project, micro_batches, model)
        else:
            h, z = self._project(micro_batches[0])
        if self._timed:
            z.register_hook(lambda gradient: self._clock.end("loss"))
        loss = self.loss_of(z, ids)
        accelerator.backward(loss)  # when caching, only as far as z
        self._going_on = "backward"
        if caching:
            backward_again(self._project, micro_batches, z, lambda: accelerator.no_sync(self.learner.distributed))
        self._clock.end("backward")
        # It waits for a GPU, so not before there is nothing left to hand it.
        return Taken(loss.item(), h, z, micro_batches)

    def try_images(self, batch: Tensor, ids: Tensor, epoch: int, images: int) -> None:
        """Forward and backward of the first ``images`` of a batch alone: do so many fit? For a process that is alone.

        The gradients are added to those that there are.
        """
        alone = TrainingStep(self.learner, self.drawing, self.loss_of, [images])
        alone.gradients(batch[:images], ids[:images], epoch)

    def update(self, lr: float) -> None:
        """The second half: the parameters, at a learning rate; their gradients are then gone."""
        set_lr(self.learner.optimizer, lr)
        self.learner.optimizer.step()
        self.learner.optimizer.zero_grad()
        self._clock.end("optimizer")

    def _project(self, part: MicroBatch) -> tuple[Tensor, Tensor]:
        """h and z of a micro batch, (all V, b, dim) each."""
        self._clock.end(self._going_on)
        views = [draw(*part) for draw in self.drawing]  # (V, b, C, h, w) of each size
        self._clock.end("augmentation")
        rows = (v.flatten(0, 1).contiguous(memory_format=torch.channels_last) for v in views)
        h, z = self.learner.distributed(*rows)
        self._clock.end("forward")
        return h.unflatten(0, (-1, len(part.ids))), z.unflatten(0, (-1, len(part.ids)))
