"""What was drawn: the parameters of every operation in every view of some samples, in plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from simclr.augment.pipeline import Views
from simclr.augment.view_groups import ViewGroups

Notes = dict[str, dict[str, Any] | None]
"""Operation → its parameters, or None where its gate left the sample as it was."""


@torch.no_grad()
def trace(views: Views | ViewGroups, ids: Tensor, epoch: int, shape: Sequence[int]) -> list[list[Notes]]:
    """The parameters with which ``views(batch, ids, epoch)`` draws each view of each sample.

    Args:
        views: the pipeline.
        ids: (b,) int64 on the CPU.
        epoch: as in the call.
        shape: (C, H, W) of a sample in working units.

    Returns:
        For each view, for each sample: operation → parameters in plain numbers.
    """
    if isinstance(views, ViewGroups):
        by_view: dict[int, list[Notes]] = {}
        for group in views.members():
            by_view |= dict(zip(group.views, trace(group, ids, epoch, shape)))
        return [by_view[view] for view in views.views]
    address = views.address(ids, epoch)
    rows: list[Notes] = [{} for _ in range(len(address.ids))]
    for name, drawn in views.draw(address, shape).items():
        operation = views.named()[name]
        for row, note in enumerate(rows):
            note[name] = operation.note(drawn.parameters, row) if drawn.applied[row] else None
    return [rows[start : start + len(ids)] for start in range(0, len(rows), len(ids))]
