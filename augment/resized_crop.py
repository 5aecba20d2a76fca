"""A random piece of the image, resized."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from kornia.constants import Resample
from torch import Tensor

from simclr.augment import checks
from simclr.augment.base import GeometricOperation, affine_matrix
from simclr.augment.needs import Need
from simclr.augment.resample import bilinear_lines, compute_dtype, nearest_index, separable

_TRIES = 10


def crop_boxes(
    u: Tensor,
    height: int,
    width: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    keep_center: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random boxes: area uniform in ``scale``, width/height log-uniform in ``ratio``.

    The first of ten tries that fits is taken; if none does, the largest central box whose ratio is allowed.

    Args:
        u: (B, 22) uniform in [0, 1): ten areas, ten ratios, the place.
        height: of the image.
        width: of the image.
        scale: range of the box's share of the image's area.
        ratio: range of width/height.
        keep_center: only boxes that hold the pixel at (height // 2, width // 2).

    Returns:
        top, left, box height, box width: each (B,) int64.

    Source: Szegedy et al., "Going deeper with convolutions", CVPR 2015, section 6; tries and fallback as in
    torchvision's RandomResizedCrop.
    """
    u = u.double()
    area = height * width * (scale[0] + (scale[1] - scale[0]) * u[:, :_TRIES])
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = torch.exp(low + (high - low) * u[:, _TRIES : 2 * _TRIES])
    w = (area * aspect).sqrt().round().long()
    h = (area / aspect).sqrt().round().long()
    fits = (w > 0) & (w <= width) & (h > 0) & (h <= height)
    # argmax of booleans is the first True; of none it is 0, replaced by the fallback.
    first = fits.int().argmax(dim=1, keepdim=True)
    w, h, any_fits = w.gather(1, first)[:, 0], h.gather(1, first)[:, 0], fits.any(dim=1)
    fallback_h, fallback_w = height, width
    if width / height < ratio[0]:
        fallback_h = min(height, max(1, round(width / ratio[0])))
    elif width / height > ratio[1]:
        fallback_w = min(width, max(1, round(height * ratio[1])))
    top = _place(u[:, -2], h, height, keep_center)
    left = _place(u[:, -1], w, width, keep_center)
    return (
        torch.where(any_fits, top, (height - fallback_h + keep_center) // 2),
        torch.where(any_fits, left, (width - fallback_w + keep_center) // 2),
        torch.where(any_fits, h, fallback_h),
        torch.where(any_fits, w, fallback_w),
    )


def _place(u: Tensor, length: Tensor, size: int, keep_center: bool) -> Tensor:
    """First pixel of a piece of a line, uniform over the places where it fits (and holds the centre)."""
    if not keep_center:
        return (u * (size - length + 1)).long()
    first = (size // 2 - length + 1).clamp(min=0)
    last = (size - length).clamp(max=size // 2)
    return first + (u * (last - first + 1)).long()


def resized_crop(
    x: Tensor,
    top: Tensor,
    left: Tensor,
    height: Tensor,
    width: Tensor,
    size: tuple[int, int],
    antialias: bool = True,
    mirror_y: Tensor | None = None,
    mirror_x: Tensor | None = None,
    source: Tensor | None = None,
) -> Tensor:
    """Cut a box out of each image and resize it bilinearly.

    Args:
        x: (B, C, H, W), floating point; any number of images if there is a ``source``.
        top, left, height, width: (B,) integers, the box of each image.
        size: (h, w) of the result.
        antialias: as in torchvision.
        mirror_y: (B,) bool, whose result is turned upside down: a flip in the same resampling.
        mirror_x: (B,) bool, whose result has left and right exchanged.
        source: (B,) int64, the image of ``x`` that each row is cut out of; its own if None.

    Returns:
        (B, C, h, w) in the dtype of ``x``, within the range of its values.
    """
    dtype = compute_dtype(x)
    rows = bilinear_lines(top, height, x.shape[-2], size[0], antialias, dtype)
    columns = bilinear_lines(left, width, x.shape[-1], size[1], antialias, dtype)
    return separable(
        x,
        rows if mirror_y is None else rows.reversed_where(mirror_y),
        columns if mirror_x is None else columns.reversed_where(mirror_x),
        source,
    )


class RandomResizedCrop(GeometricOperation):
    """A random box of the image resized to ``size``; torchvision's distribution and resampling.

    Args:
        size: side of the result, or (height, width). The input may be smaller or larger.
        scale: range of the box's share of the image's area.
        ratio: range of the box's width/height.
        p: probability of a random box per sample; otherwise the whole image is resized.
        antialias: count every pixel of the box when shrinking.
        keep_center: only boxes that hold the centre pixel, at (H // 2, W // 2), which a patch of a scene stands for.
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if a size is not positive, a range not increasing and positive, or ``p`` no probability.
    """

    needs = frozenset({Need.SAMPLE_SIDE})

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        p: float = 1.0,
        antialias: bool = True,
        keep_center: bool = False,
        keepdim: bool = False,
    ) -> None:
        # kornia's gate would leave a skipped sample at its old size, so the gate is part of the box here.
        super().__init__(
            1.0,
            keepdim,
            size=checks.image_size("size", size),
            scale=checks.interval("scale", scale, 0.0, 1.0, open_low=True),
            ratio=checks.interval("ratio", ratio, 0.0, math.inf, open_low=True),
            keep_center=checks.switch("keep_center", keep_center),
            crop_p=checks.probability("p", p),
            antialias=checks.switch("antialias", antialias),
            resample=Resample.BILINEAR,
        )

    def describe(self) -> str:
        f = self.flags
        scale, ratio = (f"{low:.4g}..{high:.4g}" for low, high in (f["scale"], f["ratio"]))
        extra = ("" if f["antialias"] else ", antialias=False") + (", keep_center" if f["keep_center"] else "")
        return f"size={f['size'][0]}x{f['size'][1]}, scale={scale}, ratio={ratio}{extra}, p={f['crop_p']}"

    def check_size(self, height: int, width: int) -> None:
        size = self.flags["size"]
        if size[0] > height or size[1] > width:
            raise ValueError(
                f"size is {size[0]}x{size[1]}, but the samples are {height}x{width}: "
                f"use {min(height, width)} or less, or larger samples."
            )

    def draws(self, shape: Sequence[int]) -> int:
        return 1 + 2 * _TRIES + 2

    def output_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return (*shape[:-2], *self.flags["size"])

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        whole = (0, 0, shape[-2], shape[-1])
        f = self.flags
        boxes = crop_boxes(u[:, 1:], shape[-2], shape[-1], f["scale"], f["ratio"], f["keep_center"])
        crop = u[:, 0] < f["crop_p"]
        names = ("top", "left", "height", "width")
        return {name: torch.where(crop, box, full) for name, box, full in zip(names, boxes, whole)}

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        top, left, height, width = (parameters[name] for name in ("top", "left", "height", "width"))
        if flags["resample"] == Resample.NEAREST:  # kornia asks for it on masks
            rows = nearest_index(top, height, flags["size"][0])[:, None, :, None]
            columns = nearest_index(left, width, flags["size"][1])[:, None, None, :]
            batch, channel = (torch.arange(n, device=x.device) for n in x.shape[:2])
            return x[batch[:, None, None, None], channel[:, None, None], rows, columns]
        extra = (parameters.get(name) for name in ("mirror_y", "mirror_x", "source"))
        return resized_crop(x, top, left, height, width, flags["size"], flags["antialias"], *extra)

    def compute_transformation(self, input: Tensor, params: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        top, left, height, width = (params[name].to(input) for name in ("top", "left", "height", "width"))
        zoom_y, zoom_x = flags["size"][0] / height, flags["size"][1] / width
        # Pixel centres lie at integers: the edge of the box, left - 0.5, goes to -0.5.
        shift_x, shift_y = (0.5 - left) * zoom_x - 0.5, (0.5 - top) * zoom_y - 0.5
        return affine_matrix(((zoom_x, 0.0, shift_x), (0.0, zoom_y, shift_y)), input, input.shape[0])
