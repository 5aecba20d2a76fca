"""Gain, offset and noise of each band: what several spectral operations come to, in one pass over the pixels."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from simclr.augment.base import Drawn, IntensityOperation, rows_where
from simclr.augment.noise_field import noise_field


class BandNoise(NamedTuple):
    """Noise that is added to each pixel and band.

    Attributes:
        uniforms: (B, noise_draws), as ``noise_field`` takes them.
        scale: (B, C) or (B, 1), its standard deviation.
        applied: (B,) bool, which samples have any.
    """

    uniforms: Tensor
    scale: Tensor
    applied: Tensor


class BandAffine(NamedTuple):
    """x * gain + offset + noise, alike for all pixels of a sample.

    Attributes:
        gain: (B, C) or (B, 1).
        offset: (B, C) or (B, 1), or None for 0.
        noise: any number of them.
    """

    gain: Tensor
    offset: Tensor | None = None
    noise: tuple[BandNoise, ...] = ()

    def where(self, applied: Tensor) -> BandAffine:
        """The same for the samples that ``applied`` (B,) selects, nothing for the others."""
        column = applied.unsqueeze(1)
        return BandAffine(
            torch.where(column, self.gain, 1.0),
            None if self.offset is None else torch.where(column, self.offset, 0.0),
            tuple(n._replace(scale=torch.where(column, n.scale, 0.0), applied=n.applied & applied) for n in self.noise),
        )

    def then(self, other: BandAffine) -> BandAffine:
        """First this, then ``other``, as one."""
        offset = other.offset
        if self.offset is not None:
            offset = self.offset * other.gain if offset is None else self.offset * other.gain + offset
        noise = tuple(n._replace(scale=n.scale * other.gain) for n in self.noise)
        return BandAffine(self.gain * other.gain, offset, noise + other.noise)

    def apply_(self, x: Tensor) -> Tensor:
        """To ``x`` (B, C, H, W), which may be overwritten; the result."""
        gain = _over_pixels(self.gain, x)
        if self.offset is None:
            x.mul_(gain)
        elif x.requires_grad:  # which an ``out`` does not take
            x = torch.addcmul(_over_pixels(self.offset, x), x, gain)
        else:
            torch.addcmul(_over_pixels(self.offset, x), x, gain, out=x)
        for uniforms, scale, applied in self.noise:
            # Only a CPU may look at the gate without waiting, and compiled code not at all.
            looks = x.device.type == "cpu" and not torch.compiler.is_compiling()
            rows = rows_where(applied) if looks else slice(None)
            noise, scale = noise_field(uniforms[rows], x.shape[1:]).to(x.dtype), _over_pixels(scale[rows], x)
            if isinstance(rows, slice):
                x[rows].addcmul_(noise, scale)
            else:
                x[rows] = torch.addcmul(x[rows], noise, scale)
        return x


def _over_pixels(value: Tensor, x: Tensor) -> Tensor:
    """(B, C) as (B, C, 1, 1), in the dtype of ``x``."""
    return value.to(x.dtype)[:, :, None, None]


class BandOperation(IntensityOperation):
    """Gain, offset and noise of each band: ``Views`` carries out several that follow each other as one."""

    def affine(self, parameters: dict[str, Tensor]) -> BandAffine:
        """What the parameters of a batch say."""
        raise NotImplementedError

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        return self.affine(parameters).apply_(x.clone())

    def affine_drawn(self, drawn: Drawn) -> BandAffine:
        """The same where the gate lets it through."""
        affine = self.affine(drawn.parameters)
        return affine if self.p == 1.0 else affine.where(drawn.applied)

    def apply_drawn(self, x: Tensor, drawn: Drawn, **given: Tensor) -> Tensor:
        return self.affine_drawn(drawn).apply_(x)
