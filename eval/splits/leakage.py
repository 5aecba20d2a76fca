"""How much of a scene's test part the training part has already seen, because every pixel is seen through a patch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from simclr.errors import InputError


def leakage(train: Tensor, test: Tensor, height: int, width: int, patch_size: int) -> tuple[float, float]:
    """Share of the test pixels that lie inside a training patch, and of those whose own patch touches one.

    Two patches of side p overlap where their centres are at most p - 1 apart, in rows and in columns; a pixel lies
    inside a patch where they are at most (p - 1) / 2 apart.

    Args:
        train, test: ids ``row * width + column``, (n,) and (m,) int64, m >= 1.
        height, width: of the scene in pixels.
        patch_size: side of a patch in pixels, odd.

    Returns:
        (inside, touching), fractions, 0 <= inside <= touching <= 1.

    Raises:
        InputError: if the patch is of even side, or there is no test pixel.
    """
    if patch_size < 1 or patch_size % 2 == 0:
        raise InputError(f"patch_size is {patch_size}: a patch has a centre pixel, so give an odd number such as 9.")
    if len(test) == 0:
        raise InputError("there is no test pixel: leakage is a share of them.")
    inside, touching = (
        float(near(train, height, width, reach).flatten()[test].float().mean())
        for reach in (patch_size // 2, patch_size - 1)
    )
    return inside, touching


def near(ids: Tensor, height: int, width: int, reach: int) -> Tensor:
    """Pixels at most ``reach`` rows and columns away from any of the ids, (height, width) bool."""
    marked = torch.zeros(height * width)
    marked[ids] = 1.0
    # The maximum over a square is that over rows of the maxima over columns.
    rows = max_pool2d(marked.view(1, 1, height, width), (2 * reach + 1, 1), 1, (reach, 0))
    return max_pool2d(rows, (1, 2 * reach + 1), 1, (0, reach))[0, 0] > 0
