"""Mirror images, at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from simclr.augment.base import GeometricOperation, affine_matrix


class RandomFlip(GeometricOperation):
    """What the two flips have in common."""

    mirror: str
    """The parameter of ``RandomResizedCrop`` and ``RandomRotation90`` that does the same on their way."""

    def draws(self, shape: Sequence[int]) -> int:
        return 0

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        return {}


class RandomHorizontalFlip(RandomFlip):
    """Left and right exchanged, with probability ``p``.

    Args:
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if ``p`` is no probability.
    """

    mirror = "mirror_x"

    def __init__(self, p: float = 0.5, keepdim: bool = False) -> None:
        super().__init__(p, keepdim)

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        return x.flip(-1)

    def compute_transformation(self, input: Tensor, params: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        return affine_matrix(((-1.0, 0.0, input.shape[-1] - 1.0), (0.0, 1.0, 0.0)), input, input.shape[0])


class RandomVerticalFlip(RandomFlip):
    """Top and bottom exchanged, with probability ``p``.

    Args:
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if ``p`` is no probability.
    """

    mirror = "mirror_y"

    def __init__(self, p: float = 0.5, keepdim: bool = False) -> None:
        super().__init__(p, keepdim)

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        return x.flip(-2)

    def compute_transformation(self, input: Tensor, params: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        return affine_matrix(((1.0, 0.0, 0.0), (0.0, -1.0, input.shape[-2] - 1.0)), input, input.shape[0])
