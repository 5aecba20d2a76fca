"""One encoded image to one tensor: colours, depth, orientation, size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from simclr.errors import InputError

MOST_PIXELS = 89_478_485
"""Of an image that is decoded: where Pillow begins to warn. In colour it takes 0.4 GB, and its copies as much."""
ANIMATED = ("PNG", "WEBP", "GIF")
GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F"})


@dataclass(frozen=True)
class Format:
    """What all images of a source are decoded to.

    Attributes:
        in_chans: 1 (grey) or 3 (RGB).
        deep: True to keep 16 bits (grey only; int32 values 0..65535), False for uint8.
        image_size: side of the square that the image is resized (shorter side) and centre-cropped to; None = as it is.
    """

    in_chans: int
    deep: bool = False
    image_size: int | None = None

    @property
    def dtype(self) -> torch.dtype:
        """dtype of a decoded image."""
        return torch.int32 if self.deep else torch.uint8

    @property
    def value_max(self) -> int:
        """Largest value of a decoded image."""
        return 65535 if self.deep else 255


def is_grey(image: Image.Image) -> bool:
    """Whether an opened image has no colours, judged by its mode."""
    return image.mode in GREY_MODES or image.mode.startswith("I;16")


def is_deep(image: Image.Image) -> bool:
    """Whether an opened image is 16-bit grey."""
    return image.mode == "I" or image.mode.startswith("I;16")


def upright(image: Image.Image, image_size: int | None = None) -> Image.Image:
    """An opened image, decoded, its EXIF orientation applied.

    Args:
        image: as opened; of a JPEG, less is decoded where that is enough for ``image_size``.
        image_size: side that it will be resized to; None = as it is.

    Raises:
        InputError: if it is too large to be decoded, has several frames, or values that are no grey levels; the text
            lacks the file's name.
    """
    if image_size is not None and image.format == "JPEG":
        # The decoder can halve on the way, to no less than twice the wanted size: 2000x1500 to 224 in 11 ms, not 40.
        image.draft(None, (2 * image_size, 2 * image_size))
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise InputError(
            f"has {width:,}x{height:,} pixels, {width * height / 1e6:.0f} million, of which at most "
            f"{MOST_PIXELS / 1e6:.0f} million are decoded: shrink it, or cut it up."
        )
    if image.format in ANIMATED and getattr(image, "n_frames", 1) > 1:
        raise InputError(f"holds {image.n_frames} frames: save each as a file of its own.")  # type: ignore[attr-defined]
    if image.mode == "F":
        raise InputError("holds floating point values: save such images as a .npy array and use data.source=arrays.")
    if "exif" in image.info or image.format == "TIFF":
        ImageOps.exif_transpose(image, in_place=True)
    image.load()
    if image.mode == "I":
        values = np.asarray(image)
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 65535:
            raise InputError(
                f"holds values from {low:,} to {high:,}, but grey levels are 0 to 65,535: save it as a .npy array and "
                f"use data.source=arrays, which keeps them."
            )
    return image


def decode(image: Image.Image, form: Format) -> Tensor:
    """An opened image as (in_chans, h, w) of the form's dtype; transparency is dropped, EXIF orientation applied.

    Raises:
        InputError: as in :func:`upright`.
    """
    size = form.image_size
    image = upright(image, size)
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    if is_deep(image):
        # Kept in 32-bit floats, as PIL resizes no 16-bit images; 16-bit integers are exact in them.
        image = Image.fromarray(np.asarray(image).astype(np.float32))
        if not form.deep:
            image = Image.fromarray((np.asarray(image) / 257).round().astype(np.uint8))
    elif form.deep:
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.float32) * 257)
    mode = "RGB" if form.in_chans == 3 else "L"
    if not form.deep and image.mode != mode:
        image = image.convert(mode)
    if size is not None and image.size != (size, size):
        image = _resize_and_crop(image, size)
    array = np.asarray(image)
    if form.deep:
        array = array.round().clip(0, 65535).astype(np.int32)
    array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    return torch.from_numpy(np.array(array, order="C"))


def _resize_and_crop(image: Image.Image, size: int) -> Image.Image:
    """Shorter side to ``size``, bilinear with antialias, then the centre; rounded as torchvision does."""
    width, height = image.size
    shorter = min(width, height)
    if shorter != size:
        width, height = int(width * size / shorter), int(height * size / shorter)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - size) / 2), round((height - size) / 2)
    return image.crop((left, top, left + size, top + size))
