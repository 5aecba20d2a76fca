"""From the raw values of a source to what the encoder takes: a fixed map, fitted once, saved with the encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr.data.moments import moments_of
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.data.units import check_spread, spread_or_one, units_of, whitening_of
from simclr.data.value_range import ValueRange
from simclr.errors import InputError

MODES = ("auto", "unit", "standardize", "minmax", "none")


class Preprocess(nn.Module):
    """raw -> working units -> encoder input; both halves are affine per pixel and float32.

    ``to_units`` gives the values that augmentations work in, ``finish`` what the encoder takes, ``forward`` does both.

    Args:
        in_chans: channels (bands) of the raw batch, C.
        normalize: what the units are: "unit" (0..1 of the dtype's range), "standardize", "minmax" or "none".
        whiten: number of whitened principal components that ``finish`` gives, or None.
        value_max: largest value that the pixels of the source can take (255, 65535), None for floats and wide integers.
        value_range: the lowest and the highest raw value that was seen when it was fitted; None where none was.
        pool: side of the square cells that a patch of a scene is averaged over; 1 = pixels.
        input_size: side in pixels that ``forward`` resizes and centre-crops photographs to; None = as they are.

    Attributes:
        out_chans: channels of the encoder's input.
        offset, scale: (C,), units = (raw - offset) * scale for "standardize" and "minmax".
        matrix, bias: finish = matrix @ units + bias; matrix is (whiten, C), or its diagonal (C,) without whitening.
    """

    offset: Tensor
    scale: Tensor
    matrix: Tensor
    bias: Tensor

    def __init__(
        self,
        in_chans: int,
        normalize: str = "none",
        *,
        whiten: int | None = None,
        value_max: int | None = None,
        value_range: Sequence[float] | None = None,
        pool: int = 1,
        input_size: int | None = None,
    ) -> None:
        super().__init__()
        self.in_chans = in_chans
        self.normalize = normalize
        self.whiten = whiten
        self.value_max = value_max
        self.value_range = None if value_range is None else (float(value_range[0]), float(value_range[1]))
        self.pool = pool
        self.input_size = input_size
        self.out_chans = whiten or in_chans
        self.register_buffer("offset", torch.zeros(in_chans))
        self.register_buffer("scale", torch.ones(in_chans))
        self.register_buffer("matrix", torch.ones(in_chans) if whiten is None else torch.zeros(whiten, in_chans))
        self.register_buffer("bias", torch.zeros(self.out_chans))

    def config(self) -> dict[str, Any]:
        """What, beside the state dict, makes the module again; plain JSON values."""
        return {
            "in_chans": self.in_chans,
            "normalize": self.normalize,
            "whiten": self.whiten,
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
            InputError: if the batch has other channels, or values in other units.
        """
        self._check(x)
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
                return x * self.matrix[:, None, None] + self.bias[:, None, None]
            return torch.einsum("kc,bchw->bkhw", self.matrix, x) + self.bias[:, None, None]

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


def fit_preprocess(
    source: Source,
    normalize: str = "auto",
    whiten: int | None = None,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    pool: int = 1,
    input_size: int | None = None,
    samples: int = 10_000,
) -> Preprocess:
    """Fits a Preprocess on a training source: all pixels of a scene, up to ``samples`` samples of other sources.

    Whatever a scene's bad bands hold, the encoder gets 0 for them (with ``whiten``, nothing of them).

    Args:
        source: the training data.
        normalize: "unit": integers over their dtype's maximum, floats must lie in [0, 1]; finish (x - mean) / std.
            "standardize": z-score per band; finish does nothing. "minmax": every band to [0, 1]; finish
            (x - mean) / std. "none": as it is. "auto": unit for 8-bit pixels, standardize otherwise.
        whiten: finish gives this many first principal components of the units instead, each of unit variance
            (n - 1 in the denominator), the sign such that the largest loading is positive.
        mean, std: per channel (or one for all), in units ("standardize": in raw values); fitted when None.
        pool, input_size: see :class:`Preprocess`.
        samples: most samples looked at.

    Raises:
        InputError: if an option is unknown or does not fit the source.
    """
    if normalize not in MODES:
        raise InputError(f"data.normalize is {normalize!r}: choose one of {', '.join(MODES)}.")
    if normalize == "auto":
        normalize = "unit" if source.value_max == 255 else "standardize"
    channels = source.in_chans
    if whiten is not None and not 1 <= whiten <= channels:
        raise InputError(
            f"data.whiten is {whiten}, but the source has {channels} bands: set 1..{channels}, or null."
            if channels > 1
            else f"data.whiten is {whiten}, but the source has 1 band: leave it out."
        )
    given_mean, given_std = _per_channel(mean, channels, "mean"), _per_channel(std, channels, "std")
    if given_std is not None and bool((given_std <= 0).any()):
        raise InputError(f"data.std is {list(std or ())}: every value must be above 0.")
    if (given_mean is not None or given_std is not None) and (normalize == "none" or whiten is not None):
        other = "data.whiten" if whiten is not None else "data.normalize=none"
        raise InputError(f"data.mean and data.std do nothing with {other}: remove one of the two.")

    preprocess = Preprocess(
        channels, normalize, whiten=whiten, value_max=source.value_max, pool=pool, input_size=input_size
    )
    _fit(preprocess, source, given_mean, given_std, samples)
    if isinstance(source, SceneSource) and source.bad_bands:
        bad = list(source.bad_bands)
        preprocess.scale[bad] = 0
        preprocess.matrix[..., bad] = 0
        if whiten is None:
            preprocess.bias[bad] = 0
    return preprocess


def _fit(
    preprocess: Preprocess, source: Source, given_mean: Tensor | None, given_std: Tensor | None, samples: int
) -> None:
    """Sets the buffers of a new Preprocess."""
    normalize, whiten = preprocess.normalize, preprocess.whiten
    if normalize == "none" and whiten is None:
        return
    moments = moments_of(source, covariance=whiten is not None, samples=samples)
    check_spread(moments, source.name)
    preprocess.value_range = (float(moments.low.min()), float(moments.high.max()))
    offset, scale = units_of(source, normalize, moments, given_mean, given_std)
    if normalize != "unit":  # its scale depends on the dtype of each batch
        preprocess.offset.copy_(offset)
        preprocess.scale.copy_(scale)
    if whiten is not None:
        matrix, bias = whitening_of(moments, offset, scale, whiten)
    elif normalize == "standardize":
        return
    else:
        centre = (moments.mean - offset) * scale if given_mean is None else given_mean
        spread = spread_or_one(moments.variance.sqrt() * scale, centre) if given_std is None else given_std
        matrix, bias = 1 / spread, -centre / spread
    preprocess.matrix.copy_(matrix)
    preprocess.bias.copy_(bias)


def _per_channel(values: Sequence[float] | None, channels: int, key: str) -> Tensor | None:
    if values is None:
        return None
    tensor = torch.as_tensor(values, dtype=torch.float64).flatten()
    if len(tensor) not in (1, channels):
        more = f", or {channels}, one for each channel" if channels > 1 else ""
        raise InputError(f"data.{key} has {len(tensor)} values: give 1{more}.")
    return tensor.expand(channels).clone()
