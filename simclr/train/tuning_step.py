"""One step of fine-tuning: a view of each sample, embeddings and objective, backward, update."""

from __future__ import annotations

from typing import NamedTuple

from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import Optimizer

from simclr.data import Source
from simclr.data.feed import in_place_of_damaged
from simclr.losses.objectives import ObjectiveValue
from simclr.train.course import TuningCourse
from simclr.train.optimizer import set_lr
from simclr.train.step import Draw
from simclr.train.tuned import Tuned


class TuningTaken(NamedTuple):
    """What a step leaves before its update.

    Attributes:
        loss: of the global batch; may be NaN or infinite.
        x: views, (b, C, h, w).
        e: embeddings, (b, dim).
        value: the objective and its terms.
    """

    loss: float
    x: Tensor
    e: Tensor
    value: ObjectiveValue


class TuningStep(NamedTuple):
    """A step of a fine-tuning, in two halves between which the loss can be looked at.

    Attributes:
        accelerator: of this process.
        model: what learns.
        distributed: the same, prepared by the accelerator.
        optimizer: likewise.
        source: of the batches.
        targets: class of each of its samples, (N,) int64.
        draw: images, what stands for their ids, and step → views (1, b, C, h, w).
    """

    accelerator: Accelerator
    model: Tuned
    distributed: nn.Module
    optimizer: Optimizer
    source: Source
    targets: Tensor
    draw: Draw

    def views(self, batch: Tensor, ids: Tensor, step: int, course: TuningCourse) -> Tensor:
        """The views of a step, (b, C, h, w).

        Args:
            batch: this process's images (b, C, H, W).
            ids: of their samples, (b,) int64.
            step: of the run.
            course: with the order of this epoch.
        """
        return self.draw(batch, course.address(ids, step, len(self.source)), step)[0]

    def gradients(
        self, batch: Tensor, ids: Tensor, unlabelled: Tensor | None, step: int, course: TuningCourse
    ) -> TuningTaken:
        """The first half: forward and backward, as far as every parameter's gradient.

        Args:
            batch: as of `views`, as are ``ids``, ``step`` and ``course``.
            unlabelled: inputs without labels (u, C, H, W), where the model needs some.
        """
        held, batch = in_place_of_damaged(self.source, ids, batch, self.targets)
        x = self.views(batch, ids, step, course)
        e, value = self.distributed(x, self.targets[held], ids, unlabelled)
        self.accelerator.backward(value.total)
        return TuningTaken(value.total.item(), x, e, value)

    def update(self, lr: float) -> None:
        """The second half: the parameters, at a learning rate; their gradients are then gone."""
        set_lr(self.optimizer, lr)
        for parameter in self.model.resting():
            parameter.grad = None
        self.optimizer.step()
        self.optimizer.zero_grad()
