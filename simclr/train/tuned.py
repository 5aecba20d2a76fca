"""What fine-tuning trains: an encoder, with its embedding layer if it has one, and an objective on top."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from simclr.data import SampleOrder
from simclr.data.class_order import ClassOrder
from simclr.errors import InputError
from simclr.losses.objectives import Objective, ObjectiveValue
from simclr.losses.term import Seen


class Learned(NamedTuple):
    """The samples that a fine-tuning learns from, for what looks at all of them between epochs.

    Attributes:
        ids: of those with a label that counts, (n,) int64.
        targets: classes of all samples, (N,) int64; -1 where a label does not count.
        inputs: ids → inputs of the encoder without augmentation, on the device.
    """

    ids: Tensor
    targets: Tensor
    inputs: Callable[[Tensor], Tensor]


class Tuned(nn.Module):
    """x (b, C, H, W) and labels (b,) → embeddings (b, dim), and the objective of the global batch.

    One module, so that the gradients of both are averaged over processes and one run state holds them. A system of
    another kind (`simclr.train.systems`) is a class of its own on this one: it has another ``forward``, or acts between
    epochs. What it remembers are parameters and buffers.
    """

    acts_between_epochs = False
    """Whether ``begin_epoch`` and ``order_of`` have to be called."""

    def __init__(self, encoder: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.encoder = encoder
        self.objective = objective

    def forward(
        self, x: Tensor, labels: Tensor, ids: Tensor | None = None, unlabelled: Tensor | None = None
    ) -> tuple[Tensor, ObjectiveValue]:
        """Embeddings and objective.

        Args:
            x: inputs of the encoder, (b, C, H, W).
            labels: their classes, (b,).
            ids: which samples they are, (b,).
            unlabelled: inputs without labels, (u, C, H, W).
        """
        e = self.encoder(x)
        # Distances in half precision would be zero where it matters.
        with torch.autocast(x.device.type, enabled=False):
            rows = e.to(torch.promote_types(e.dtype, torch.float32))
            return e, self.objective(rows, labels, seen=Seen(x, self.encoder, unlabelled), check=False)

    @property
    def architecture(self) -> dict[str, Any]:
        """What `simclr.models.encoder.build_encoder` takes for its encoder, beside what the recipe says of it."""
        return {}

    def begin_epoch(self, epoch: int, learned: Learned) -> None:
        """What happens before the first step of an epoch: in every process the same, of (state, epoch, data) alone."""

    def order_of(self, order: SampleOrder | ClassOrder) -> SampleOrder | ClassOrder:
        """Which samples the steps of this epoch take, given the usual order: as many steps, of batches of that size."""
        return order

    def resting(self) -> Iterable[nn.Parameter]:
        """Parameters that do not move in this epoch."""
        return ()

    def finish(self, learned: Learned) -> None:
        """What happens after the last step, before the encoder file is written; as `begin_epoch`."""

    def notes(self) -> list[str]:
        """Lines for the user on what happened between epochs, each given once."""
        return []

    def entries(self, classes: Sequence[str]) -> dict[str, Any]:
        """What the encoder file says of it beside the usual, as JSON; ``classes`` are names of the targets."""
        return {}


def try_objective(model: Tuned, labels: Tensor, input_shape: tuple[int, int, int]) -> None:
    """Whether its objective can be computed of batches as they will come: asked before a run begins.

    Args:
        model: it stays as it is.
        labels: of a first batch, (b,) int64; every process gives its part.
        input_shape: (C, H, W) of the encoder's inputs.

    Raises:
        InputError: an argument does not fit such batches.
    """
    width: int = model.encoder.feature_dim  # type: ignore[assignment]
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(len(labels), width, generator=generator).to(labels.device)
    x = torch.randn(len(labels), *input_shape, generator=generator).to(labels.device)
    tried = copy.deepcopy(model).eval()
    try:
        with torch.no_grad():
            tried.objective(rows, labels, seen=Seen(x, tried.encoder, x))
    except ValueError as error:
        raise InputError(str(error)) from error
