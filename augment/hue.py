"""The hue of RGB images, turned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from simclr.augment.base import per_sample


def adjust_hue(x: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue of RGB images, in HSV.

    Args:
        x: (B, 3, H, W) in 0..1.
        shift: (B,) in turns, -0.5..0.5.

    Returns:
        (B, 3, H, W).

    Source: Smith, "Color gamut transform pairs", SIGGRAPH 1978.
    """
    return torch.cat(turn_hue(x.split(1, dim=1), per_sample(shift, x)), dim=1)


def turn_hue(bands: Sequence[Tensor], shift: Tensor) -> list[Tensor]:
    """``adjust_hue`` band by band: three (B, 1, H, W), and ``shift`` to broadcast against them."""
    red, green, blue = bands
    low = torch.minimum(torch.minimum(red, green), blue)
    high = torch.maximum(torch.maximum(red, green), blue)
    chroma = high - low
    # The hue of a grey pixel does not matter, but must not be NaN.
    sixth = 1.0 / chroma.clamp(min=1e-12)
    # In sixths of a turn; of equal maxima red is taken first, then green. lerp by 0 or 1 picks exactly, and on a CPU
    # 20 times faster than torch.where by an unpredictable mask. What it picks by has no gradient.
    hue = torch.lerp(
        (red - green).mul_(sixth).add_(4.0), (blue - red).mul_(sixth).add_(2.0), _is_zero((high - green).detach())
    )
    hue = torch.lerp(hue, (green - blue).mul_(sixth), _is_zero((high - red).detach())).add_(shift * 6.0)
    hue.sub_((hue * (1 / 6)).floor_().mul_(6.0))
    # Each channel rises from low to high in a trapezoid over the hue: red away from 3, green near 2, blue near 4.
    red = (hue - 3.0).abs_().sub_(1.0)
    green = (hue - 2.0).abs_().neg_().add_(2.0)
    blue = (hue - 4.0).abs_().neg_().add_(2.0)
    return [band.clamp_(0.0, 1.0).mul_(chroma).add_(low) for band in (red, green, blue)]


def _is_zero(x: Tensor) -> Tensor:
    """1 where x is 0, 0 where it is positive, in the dtype of x."""
    return x.mul_(-1e38).add_(1.0).clamp_(min=0.0)
