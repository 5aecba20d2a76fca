"""Neighbouring pixels as positive pairs: the second view of a pixel is the patch around one that lies near it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from simclr.augment.addressed import Address
from simclr.data.scenes.scene import SceneSource, reflect


class Neighbours:
    """For each row of an address, the patch around a pixel near its own: the most similar of a few candidates.

    Candidates are uniform in a square of ``shift`` pixels around the sample, reflected at the edge of the scene. The
    one whose surroundings, averaged over ``window`` pixels, lie nearest to the sample's own is taken. No label is
    looked at. Fields end somewhere: without the choice, distant positives tie different crops together.

    Args:
        scene: in the units in which similarity is meant, best whitened.
        patches: the scene that patches are taken from, of the same height and width.
        shift: greatest offset in pixels in each direction.
        candidates: how many offsets are drawn for a view; 1 takes the first.
        window: side in pixels of the square that is averaged for the comparison, odd.
        operation: part of the address of the random numbers.
        around: where the pixels lie that neighbours are sought of, in all views but view 0; the samples' own if None.
    """

    def __init__(
        self,
        scene: SceneSource,
        patches: SceneSource,
        shift: int,
        candidates: int = 1,
        window: int = 5,
        *,
        operation: str = "center_shift",
        around: Neighbours | None = None,
    ) -> None:
        self.patches = patches
        self.operation = operation
        self.around = around
        self.shift = shift
        self.candidates = candidates
        cube = reflect(scene.cube, window // 2).float()
        # (H·W, C), so that a candidate is one run of memory.
        self._surroundings = avg_pool2d(cube[None], window, stride=1)[0].flatten(1).T.contiguous()

    def __str__(self) -> str:
        return f"{self.operation}: ±{self.shift} pixels, most similar of {self.candidates}"

    def ids(self, address: Address) -> Tensor:
        """The neighbour of each row's sample, (R,) int64, on the address's device, wherever the scene lies."""
        height, width, side = self.patches.height, self.patches.width, 2 * self.shift + 1
        centre = address.ids
        if self.around is not None:
            centre = torch.where(address.views > 0, self.around.ids(address), centre)
        u = address.uniform(self.operation, 2 * self.candidates)
        offset = (u * side).long().clamp_(max=side - 1) - self.shift
        row = _reflected(torch.div(centre, width, rounding_mode="floor")[:, None] + offset[:, ::2], height)
        column = _reflected((centre % width)[:, None] + offset[:, 1::2], width)
        candidates = row * width + column
        if self.candidates == 1:
            return candidates[:, 0]
        own = self._surroundings[centre]
        distance = (self._surroundings[candidates] - own[:, None]).square().sum(-1)
        return candidates.gather(1, distance.argmin(1, keepdim=True).to(candidates.device))[:, 0]

    def __call__(self, address: Address) -> Tensor:
        """Patches (R, C, patch_size, patch_size), in the units of ``patches``."""
        return self.patches[self.ids(address)]


def _reflected(position: Tensor, n: int) -> Tensor:
    """Positions outside 0..n-1 mirrored at the edge pixel."""
    if n == 1:
        return torch.zeros_like(position)
    position = position.remainder(2 * (n - 1))
    return torch.minimum(position, 2 * (n - 1) - position)
