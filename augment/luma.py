"""The grey value of a colour."""

from __future__ import annotations

from torch import Tensor

_WEIGHTS = (0.2989, 0.587, 0.114)


def luma(x: Tensor) -> Tensor:
    """Grey value of each pixel, by the weights of ITU-R BT.601 as torchvision has them.

    Args:
        x: (B, 3, H, W), or (B, 1, H, W), which is returned as it is.

    Returns:
        (B, 1, H, W).
    """
    if x.shape[1] == 1:
        return x
    return luma_of(*x.split(1, dim=1))


def luma_of(red: Tensor, green: Tensor, blue: Tensor) -> Tensor:
    """Grey value of three bands of one shape."""
    # Separate products and sums round alike at every place of a batch; fused ones need not.
    return (red * _WEIGHTS[0]).add_(green * _WEIGHTS[1]).add_(blue * _WEIGHTS[2])
