"""Gaussian blur, at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from simclr.augment import checks
from simclr.augment.base import IntensityOperation
from simclr.augment.resample import Lines, compute_dtype, separable


def gaussian_kernel(sigma: Tensor, kernel_size: int) -> Tensor:
    """(B, kernel_size) weights of a truncated Gaussian that sum to 1, as torchvision's.

    Args:
        sigma: (B,) standard deviations in pixels.
        kernel_size: odd number of taps.
    """
    place = torch.arange(kernel_size, device=sigma.device, dtype=sigma.dtype) - kernel_size // 2
    kernel = torch.softmax(-0.5 * (place / sigma.unsqueeze(1)) ** 2, dim=1)
    # Denormal weights, which count for nothing, make a CPU four times slower.
    return kernel * (kernel > 1e-20)


def convolution_lines(kernel: Tensor, size: int) -> Lines:
    """Lines that convolve with each sample's kernel, the image reflected at its ends.

    Args:
        kernel: (B, taps) symmetric weights, taps odd, taps // 2 < size.
        size: lines in the image.
    """
    b, taps = kernel.shape
    line = torch.arange(size, device=kernel.device)
    source = line.view(-1, 1) + torch.arange(taps, device=kernel.device) - taps // 2
    source = size - 1 - (size - 1 - source.abs()).abs()
    return Lines(source.expand(b, size, taps), kernel.unsqueeze(1).expand(b, size, taps))


def gaussian_blur(x: Tensor, sigma: Tensor, kernel_size: int) -> Tensor:
    """Blur each image by its own sigma, edges reflected.

    Args:
        x: (B, C, H, W), floating point, both sides longer than ``kernel_size // 2``.
        sigma: (B,) standard deviations in pixels.
        kernel_size: odd number of taps.

    Returns:
        (B, C, H, W) in the dtype of ``x``.
    """
    kernel = gaussian_kernel(sigma.to(compute_dtype(x)), kernel_size)
    return separable(x, convolution_lines(kernel, x.shape[-2]), convolution_lines(kernel, x.shape[-1]))


class RandomGaussianBlur(IntensityOperation):
    """Gaussian blur with sigma uniform in a range, with probability ``p``. Any number of bands, any range.

    Args:
        kernel_size: odd number of taps; SimCLR takes a tenth of the side.
        sigma: range of the standard deviation in pixels.
        p: probability per sample.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if ``kernel_size`` is even, ``sigma`` not increasing and positive, or ``p`` no probability; at the
            call, if the image is too small for the kernel.

    Source: Chen et al., "A simple framework for contrastive learning", ICML 2020, appendix A.
    """

    acts_on_bands = False

    def __init__(
        self, kernel_size: int, sigma: Sequence[float] = (0.1, 2.0), p: float = 0.5, keepdim: bool = False
    ) -> None:
        if checks.integer("kernel_size", kernel_size, 1) % 2 == 0:
            raise ValueError(f"kernel_size is {kernel_size}, but must be odd: use {kernel_size + 1}.")
        sigma = checks.interval("sigma", sigma, 0.0, float("inf"), open_low=True)
        super().__init__(p, keepdim, kernel_size=kernel_size, sigma=sigma)

    def check_size(self, height: int, width: int) -> None:
        size, half = min(height, width), self.flags["kernel_size"] // 2
        if half >= size:
            raise ValueError(
                f"kernel_size {self.flags['kernel_size']} is too long for {height}x{width} images: "
                f"use at most {2 * size - 1}."
            )

    def draws(self, shape: Sequence[int]) -> int:
        return 1

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        self.check_size(shape[-2], shape[-1])
        low, high = self.flags["sigma"]
        return {"sigma": low + (high - low) * u[:, 0]}

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        return gaussian_blur(x, parameters["sigma"], flags["kernel_size"])
