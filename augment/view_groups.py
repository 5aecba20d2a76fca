"""Views that are not all drawn alike: each group of views has operations of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from simclr.augment import checks
from simclr.augment.pipeline import Views


class ViewGroups(nn.Module):
    """Several ``Views`` as one: what differs is which operations a view goes through, not its shape.

    A view is the same whether it is drawn in a group or among others, for its random numbers have its own address.

    Args:
        groups: which together draw each of their views once.

    Raises:
        ValueError: if a view occurs in two groups, or there is no group.

    Example:
        >>> blurred = Views({"blur": RandomGaussianBlur(3, p=1.0)}, views=[0], seed=0)
        >>> solarized = Views({"solarize": RandomSolarize()}, views=[1], seed=0)
        >>> ViewGroups([blurred, solarized])(torch.rand(4, 3, 8, 8), torch.arange(4), epoch=0).shape
        torch.Size([2, 4, 3, 8, 8])
    """

    def __init__(self, groups: Sequence[Views]) -> None:
        super().__init__()
        if not checks.is_list(groups) or not all(isinstance(group, Views) for group in groups):
            raise ValueError(f"groups is {checks.shown(groups)}, but must be a list of Views.")
        numbers = [view for group in groups for view in group.views]
        if not numbers or len(numbers) != len(set(numbers)):
            raise ValueError(f"the groups draw the views {numbers}, but each view belongs to exactly one group.")
        self.groups = nn.ModuleList(groups)
        self.views = tuple(sorted(numbers))
        self._place = [numbers.index(view) for view in self.views]

    @property
    def band_operations(self) -> bool:
        """As in ``Views``, of any group."""
        return any(group.band_operations for group in self.members())

    def members(self) -> list[Views]:
        """The groups."""
        return list(self.groups)  # type: ignore[arg-type]

    def output_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """As in ``Views``: all groups give the same."""
        return self.members()[0].output_size(size)

    def describe(self) -> list[str]:
        """One line per operation; those of some views alone say of which."""
        lines: dict[str, list[int]] = {}
        for group in self.members():
            for line in group.describe():
                lines.setdefault(line, []).extend(group.views)
        return [
            line if len(views) == len(self.views) else f"{line} (view {', '.join(map(str, sorted(views)))})"
            for line, views in lines.items()
        ]

    def forward(self, batch: Tensor, ids: Tensor, epoch: int) -> Tensor:
        """Draw the views of a batch; see ``Views``.

        Returns:
            (views, b, C', h, w), views in ascending order.
        """
        if len(self.groups) == 1:
            return self.groups[0](batch, ids, epoch)
        drawn = torch.cat([group(batch, ids, epoch) for group in self.groups])
        return drawn if self._place == sorted(self._place) else drawn[self._place]
