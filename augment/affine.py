"""Turned, shifted, scaled and sheared, at random, in one resampling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from kornia.constants import Resample
from torch import Tensor

from simclr.augment import checks
from simclr.augment.base import GeometricOperation, affine_matrix
from simclr.augment.resample import compute_dtype
from simclr.augment.warp import centred, read_at


def linear_part(angle: Tensor, scale: Tensor, shear: Tensor) -> Tensor:
    """Where the map sends an offset from the centre: turn · shear · scale, as torchvision composes them.

    Args:
        angle: (B,) in degrees, clockwise as seen.
        scale: (B,) positive.
        shear: (B, 2) in degrees, along x and along y, between -90 and 90.

    Returns:
        (B, 2, 2) of the arguments' dtype, to be multiplied by (x, y).
    """
    turn, along = torch.deg2rad(angle), torch.deg2rad(shear)
    x, y = along[:, 0].tan(), along[:, 1]
    cos, sin = (turn - y).cos() / y.cos(), (turn - y).sin() / y.cos()
    rows = (cos, -cos * x - turn.sin(), sin, -sin * x + turn.cos())
    return torch.stack(rows, dim=-1).view(-1, 2, 2) * scale.view(-1, 1, 1)


def affine(x: Tensor, matrix: Tensor, shift: Tensor, fill: float = 0.0, nearest: bool = False) -> Tensor:
    """Move the pixels of each image by a linear map about its centre, and by a shift.

    Args:
        x: (B, C, H, W), floating point.
        matrix: (B, 2, 2), where an offset (x, y) from the centre goes; invertible.
        shift: (B, 2) in pixels, to the right and down.
        fill: of what comes in from beyond the edge.
        nearest: move pixels as they are instead of mixing them.

    Returns:
        Shape and dtype of ``x``.
    """
    dtype = compute_dtype(x)
    goal = centred(x.shape[-2], x.shape[-1], dtype, x.device) - shift.to(dtype).view(-1, 1, 1, 2)
    # In plain formulas: a solver would wait for the device, and a product of matrices may depend on the batch.
    (a, b), (c, d) = (row.unbind(-1) for row in matrix.to(dtype).view(-1, 1, 1, 2, 2).unbind(-2))
    right, down = goal.unbind(-1)
    places = torch.stack((d * right - b * down, a * down - c * right), dim=-1) / (a * d - b * c).unsqueeze(-1)
    return read_at(x, places, fill, nearest)


class RandomAffine(GeometricOperation):
    """A turn, a shift, a change of scale and a shear at once, with probability ``p``.

    For strokes: their place, size and slant say nothing, and a crop would leave some of them out. Angle, shift, scale
    and shears are uniform in their ranges, as torchvision's are.

    Args:
        degrees: greatest turn, in both directions, below 180 or 180.
        translate: greatest shift in both directions and along both axes, as a share of the side.
        scale: range of the factor.
        shear: greatest slant in degrees, in both directions and along both axes, below 90.
        fill: of what comes in from beyond the edge, in the units of the input: the background's.
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if an argument is out of its range, or ``p`` no probability.
    """

    acts_on_bands = True  # it brings in what is no mixture of pixels

    def __init__(
        self,
        degrees: float = 15.0,
        translate: float = 0.1,
        scale: Sequence[float] = (0.8, 1.25),
        shear: float = 10.0,
        fill: float = 0.0,
        p: float = 1.0,
        keepdim: bool = False,
    ) -> None:
        super().__init__(
            p,
            keepdim,
            degrees=checks.number("degrees", degrees, low=0.0, high=180.0),
            translate=checks.number("translate", translate, low=0.0, high=1.0),
            scale=checks.interval("scale", scale, 0.0, math.inf, open_low=True),
            shear=checks.number("shear", shear, low=0.0, high=80.0),
            fill=checks.number("fill", fill),
            resample=Resample.BILINEAR,
        )

    def describe(self) -> str:
        f = self.flags
        low, high = f["scale"]
        fill = f", fill={f['fill']:.4g}" if f["fill"] else ""
        return (
            f"degrees=±{f['degrees']:.4g}, translate=±{f['translate']:.4g}, scale={low:.4g}..{high:.4g}, "
            f"shear=±{f['shear']:.4g}{fill}, p={self.p}"
        )

    def draws(self, shape: Sequence[int]) -> int:
        return 6

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        f, (low, high) = self.flags, self.flags["scale"]
        either = 2 * u - 1
        side = u.new_tensor((shape[-1], shape[-2]))
        return {
            "angle": either[:, 0] * f["degrees"],
            "shift": either[:, 1:3] * side * f["translate"],
            "scale": low + (high - low) * u[:, 3],
            "shear": either[:, 4:6] * f["shear"],
        }

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        matrix = linear_part(*(parameters[name] for name in ("angle", "scale", "shear")))
        nearest = flags["resample"] == Resample.NEAREST  # kornia asks for it on masks
        return affine(x, matrix, parameters["shift"], flags["fill"], nearest)

    def compute_transformation(self, input: Tensor, params: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        drawn = (params[name].to(input.device) for name in ("angle", "scale", "shear", "shift"))
        angle, scale, shear, shift = drawn
        matrix = linear_part(angle, scale, shear)
        centre = input.new_tensor(((input.shape[-1] - 1) / 2, (input.shape[-2] - 1) / 2))
        move = centre + shift - (matrix @ centre)
        rows = [(*matrix[:, row].unbind(-1), move[:, row]) for row in range(2)]
        return affine_matrix(rows, input, input.shape[0])
