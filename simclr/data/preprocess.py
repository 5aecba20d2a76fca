"""From the raw values of a source to what the encoder takes: a fixed map, fitted once, saved with the encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr.data.scenes.scene import SceneSource
from simclr.data.value_range import ValueRange
from simclr.errors import InputError

MODES = ("auto", "unit", "standardize", "minmax", "none")


class Preprocess(nn.Module):
    """raw -> working units -> encoder input; both halves are affine per pixel and float32.

    ``to_units`` gives the values that augmentations work in, ``finish`` what the encoder takes, ``forward`` does both.

    Args:
        in_chans: channels (bands) of the raw batch, C.
        normalize: what the units are: "unit" (0..1 of the dtype's range), "standardize", "minmax" or "none".
        whiten: number of components of the units that ``finish`` gives, or None.
        unit_whiten: number of components of the spectra of unit length; with it, ``finish`` gives these, too, and
            behind them further 2C channels: the spectrum of unit length, standardised, and the units. None: nothing.
        value_max: largest value that the pixels of the source can take (255, 65535), None for floats and wide integers.
        value_range: the lowest and the highest raw value that was seen when it was fitted; None where none was.
        pool: side of the square cells that a patch of a scene is averaged over; 1 = pixels.
        input_size: side in pixels that ``forward`` resizes and centre-crops photographs to; None = as they are.

    Attributes:
        components: channels of the encoder's input that are components (or bands), which come first.
        out_chans: channels of the encoder's input.
        offset, scale: (C,), units = (raw - offset) * scale for "standardize" and "minmax".
        matrix, bias: finish = matrix @ units + bias; matrix is (whiten, C), or its diagonal (C,) without whitening.
        unit_mean, unit_std: (C,), of the spectra of unit length; there with ``unit_whiten``.
        patch_size: side of the patches of a scene that ``forward`` takes, which an encoder sets that was pretrained on
            them; None = any.
        unit_matrix: components = unit_matrix @ standardised spectra of unit length, (unit_whiten, C); likewise.
    """

    offset: Tensor
    scale: Tensor
    matrix: Tensor
    bias: Tensor
    unit_matrix: Tensor
    unit_mean: Tensor
    unit_std: Tensor

    def __init__(
        self,
        in_chans: int,
        normalize: str = "none",
        *,
        whiten: int | None = None,
        unit_whiten: int | None = None,
        value_max: int | None = None,
        value_range: Sequence[float] | None = None,
        pool: int = 1,
        input_size: int | None = None,
    ) -> None:
        super().__init__()
        self.in_chans = in_chans
        self.normalize = normalize
        self.whiten = whiten
        self.unit_whiten = unit_whiten
        self.value_max = value_max
        self.value_range = None if value_range is None else (float(value_range[0]), float(value_range[1]))
        self.pool = pool
        self.input_size = input_size
        self.patch_size: int | None = None
        self.components = (whiten or in_chans) + (unit_whiten or 0)
        self.out_chans = self.components + (2 * in_chans if unit_whiten else 0)
        self.register_buffer("offset", torch.zeros(in_chans))
        self.register_buffer("scale", torch.ones(in_chans))
        self.register_buffer("matrix", torch.ones(in_chans) if whiten is None else torch.zeros(whiten, in_chans))
        self.register_buffer("bias", torch.zeros(whiten or in_chans))
        if unit_whiten:
            self.register_buffer("unit_matrix", torch.zeros(unit_whiten, in_chans))
            self.register_buffer("unit_mean", torch.zeros(in_chans))
            self.register_buffer("unit_std", torch.ones(in_chans))

    def config(self) -> dict[str, Any]:
        """What, beside the state dict, makes the module again; plain JSON values."""
        return {
            "in_chans": self.in_chans,
            "normalize": self.normalize,
            "whiten": self.whiten,
            **({"unit_whiten": self.unit_whiten} if self.unit_whiten else {}),
            "value_max": self.value_max,
            "value_range": None if self.value_range is None else list(self.value_range),
            "pool": self.pool,
            "input_size": self.input_size,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Preprocess:
        """The module of a ``config()``, also of an older version's; its state dict is still to be loaded.

        Raises:
            InputError: if ``value_range`` is not of two numbers.
        """
        seen = config.get("value_range")
        if seen is not None and not (
            isinstance(seen, list | tuple) and [type(v) in (int, float) and isfinite(v) for v in seen] == [True, True]
        ):
            raise InputError(f"preprocess.value_range is {str(seen)[:50]}, but must be two numbers, or null.")
        return cls(**config)

    @property
    def recorded(self) -> ValueRange:
        """What is known of the raw values that it was fitted on."""
        return ValueRange(self.normalize == "unit", self.value_max, self.value_range)

    def forward(self, x: Tensor, value_max: int | None = None) -> Tensor:
        """Raw batch (B, C, h, w) -> encoder input (B, out_chans, h', w') float32; h' = h / pool for a scene.

        Args:
            x: values in the units of the data that it was fitted on, or 8-bit pixels for 16-bit ones and the other way
                round, which are rescaled: uint8 and uint16 say what they are, other integers are as fitted on.
            value_max: of the batch's source, which says what its values are whatever their dtype.

        Raises:
            InputError: if the batch has other channels, no pixels or not as many as allowed, or values in other units.
        """
        self._check(x)
        self._check_size(x)
        self.recorded.check(x, value_max)
        units = self.to_units(x, value_max)
        if self.input_size is not None:
            units = resize_and_crop(units, self.input_size)
        if self.pool > 1:
            units = F.avg_pool2d(units, self.pool)
        return self.finish(units)

    def scene(self, source: SceneSource) -> SceneSource:
        """The scene whose patches are what ``forward`` makes of this one's, at the cost of one pass over its cube."""
        self.recorded.check(source.cube, source.value_max)
        return source.mapped(lambda cube: self.finish(self.to_units(cube, source.value_max))).pooled(self.pool)

    def to_units(self, x: Tensor, value_max: int | None = None) -> Tensor:
        """Raw (B, C, h, w), any real dtype -> working units (B, C, h, w) float32.

        Args:
            x, value_max: as for ``forward``, which also makes sure of the values.

        Raises:
            InputError: if the batch has other channels, or a dtype whose relation to the fitted values is not known.
        """
        self._check(x)
        top = self.recorded.top(x, value_max)
        full = self.value_max or 1
        x = x.to(torch.float32)
        if self.normalize == "unit":
            return x if top is None or top == 1 else x / top
        if top is not None and top != full:
            x = x * (full / top) if top < full else x / (top / full)
        if self.normalize == "none":
            return x
        return (x - self.offset[:, None, None]) * self.scale[:, None, None]

    def finish(self, x: Tensor) -> Tensor:
        """Working units (B, C, h, w) -> encoder input (B, out_chans, h, w) float32."""
        self._check(x)
        # Half precision would spoil the small components, so autocast stays outside.
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(torch.float32)
            if self.whiten is None:
                y = x * self.matrix[:, None, None] + self.bias[:, None, None]
            else:
                y = torch.einsum("kc,bchw->bkhw", self.matrix, x) + self.bias[:, None, None]
            if not self.unit_whiten:
                return y
            unit = (self.unit_length(x) - self.unit_mean[:, None, None]) / self.unit_std[:, None, None]
            return torch.cat([y, torch.einsum("kc,bchw->bkhw", self.unit_matrix, unit), unit, x], 1)

    def unit_length(self, x: Tensor) -> Tensor:
        """Working units (B, C, h, w) -> each pixel's raw spectrum divided by its length; bad bands count for nothing.

        The brightness of the light is gone, whatever it was.
        """
        used = self.scale > 0
        raw = x / torch.where(used, self.scale, 1.0)[:, None, None] + self.offset[:, None, None]
        return unit_length(raw * used[:, None, None])

    def extra_repr(self) -> str:
        return ", ".join(f"{k}={v}" for k, v in self.config().items() if v is not None)

    def _check(self, x: Tensor) -> None:
        if not isinstance(x, Tensor):
            raise InputError(f"the batch is a {type(x).__name__}: give a tensor, such as torch.from_numpy(batch).")
        if x.ndim != 4:
            raise InputError(f"the batch has shape {tuple(x.shape)}: give (batch, {self.in_chans}, height, width).")
        if x.shape[1] != self.in_chans:
            raise InputError(
                f"this encoder takes {self.in_chans} bands, but the batch has {x.shape[1]}: "
                f"give batches of shape (batch, {self.in_chans}, height, width)."
            )

    def _check_size(self, x: Tensor) -> None:
        height, width = x.shape[2:]
        side = self.patch_size
        if side is not None and (height, width) != (side, side):
            raise InputError(
                f"the batch has shape {tuple(x.shape)}, but this encoder was pretrained on patches of {side}x{side} "
                f"pixels: give (batch, {self.in_chans}, {side}, {side})."
            )
        if min(height, width) < self.pool:
            least = f"{self.pool} pixels a side or more" if self.pool > 1 else "at least one pixel"
            raise InputError(f"the batch has shape {tuple(x.shape)}: give {least}.")


def unit_length(spectra: Tensor) -> Tensor:
    """Spectra (B, C, h, w) of any real dtype, divided by their length; float32. One of zeros stays as it is."""
    spectra = spectra.to(torch.float32)
    return spectra / spectra.norm(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)


def resize_and_crop(x: Tensor, size: int) -> Tensor:
    """Resizes the shorter side to ``size`` (bilinear, antialiased) and cuts out the centre, (B, C, size, size).

    Rounded as torchvision's ``resize`` and ``center_crop`` do.
    """
    height, width = x.shape[-2:]
    if (height, width) == (size, size):
        return x
    shorter = min(height, width)
    new = (int(height * size / shorter), int(width * size / shorter))
    x = F.interpolate(x, new, mode="bilinear", antialias=True, align_corners=False)
    top, left = round((new[0] - size) / 2), round((new[1] - size) / 2)
    return x[..., top : top + size, left : left + size]
