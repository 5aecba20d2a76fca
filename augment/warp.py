"""Images read at any places: bilinear, beyond the edge a colour of one's own."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from simclr.augment.resample import compute_dtype


def centred(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(height, width, 2): x and y of every pixel, from the centre of the image."""
    x = torch.arange(width, dtype=dtype, device=device) - (width - 1) / 2
    y = torch.arange(height, dtype=dtype, device=device) - (height - 1) / 2
    return torch.stack((x.expand(height, width), y.view(-1, 1).expand(height, width)), dim=-1)


def read_at(x: Tensor, places: Tensor, fill: float = 0.0, nearest: bool = False) -> Tensor:
    """What each image holds at given places.

    Args:
        x: (B, C, H, W), floating point.
        places: (B, h, w, 2), x and y in pixels from the centre of the image, of the dtype in which to compute.
        fill: of all that lies beyond the edge; pixels at the edge fade into it.
        nearest: take the pixel under each place instead of the mean of the four around it.

    Returns:
        (B, C, h, w) in the dtype of ``x``, between its values and ``fill``.
    """
    half = torch.tensor((x.shape[-1] / 2, x.shape[-2] / 2), dtype=places.dtype, device=places.device)
    values = x.to(compute_dtype(x)) - fill if fill else x.to(compute_dtype(x))
    mode = "nearest" if nearest else "bilinear"
    out = F.grid_sample(values, (places / half).to(values.dtype), mode=mode, padding_mode="zeros", align_corners=False)
    return (out + fill if fill else out).to(x.dtype)
