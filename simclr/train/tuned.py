"""What fine-tuning trains: an encoder, with its embedding layer if it has one, and an objective on top."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from simclr.errors import InputError
from simclr.losses.objectives import Objective, ObjectiveValue


def try_objective(model: Tuned, labels: Tensor) -> None:
    """Whether its objective can be computed of batches as they will come: asked before a run begins.

    Args:
        model: it stays as it is.
        labels: of a first batch, (b,) int64; every process gives its part.

    Raises:
        InputError: an argument does not fit such batches.
    """
    width: int = model.encoder.feature_dim  # type: ignore[assignment]
    rows = torch.randn(len(labels), width, generator=torch.Generator().manual_seed(0))
    try:
        copy.deepcopy(model.objective).eval()(rows.to(labels.device), labels)
    except ValueError as error:
        raise InputError(str(error)) from error


class Tuned(nn.Module):
    """x (b, C, H, W) and labels (b,) → embeddings (b, dim), and the objective of the global batch.

    One module, so that the gradients of both are averaged over processes and one run state holds them.
    """

    def __init__(self, encoder: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.encoder = encoder
        self.objective = objective

    def forward(self, x: Tensor, labels: Tensor) -> tuple[Tensor, ObjectiveValue]:
        e = self.encoder(x)
        # Distances in half precision would be zero where it matters.
        with torch.autocast(x.device.type, enabled=False):
            return e, self.objective(e.to(torch.promote_types(e.dtype, torch.float32)), labels, check=False)
