"""Brightness, contrast, saturation and hue changed, at random and in random order."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor

from simclr.augment import checks
from simclr.augment.base import Drawn, IntensityOperation, per_sample, rows_where
from simclr.augment.color_affine import color_affine
from simclr.augment.hue import turn_hue
from simclr.augment.luma import luma, luma_of
from simclr.augment.needs import Need

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
_CPU_VALUES = 1 << 18
_NAMES = ("brightness", "contrast", "saturation", "hue")


def color_jitter(x: Tensor, factors: Tensor, order: Tensor, hue: bool = True, compiled: bool = False) -> Tensor:
    """Adjust brightness, contrast, saturation and hue of each image by its own factors, in its own order.

    Equal to torchvision's adjust_* functions one after the other, with their clamp to 0..1 after each of the first
    three: the operation is defined on images in 0..1, and what noise has moved out of it is clamped first.

    Args:
        x: (B, 3, H, W) in 0..1; (B, 1, H, W) where saturation and hue do not occur.
        factors: (B, 4) factor of brightness, contrast, saturation, and the shift of hue in turns.
        order: (B, n) int64, the n different steps of each image as columns of ``factors``; all images have the same
            steps, maybe none.
        hue: whether hue is among the steps.
        compiled: by ``torch.compile``: differs by less than 1e-6, from rounding of means.

    Returns:
        (B, C, H, W) in the dtype of ``x``; computed in at least float32.
    """
    if not order.shape[1]:
        return x.clone()
    dtype, x = x.dtype, x.to(torch.promote_types(x.dtype, torch.float32))
    factors = factors.to(x.dtype)
    compiling = torch.compiler.is_compiling()
    if compiled and len(x) and not compiling:
        return _compiled()(x, factors, order, hue).to(dtype)
    # Only a CPU may look at the orders without waiting; and steps in place, on parts of a batch, have no gradient.
    if x.device.type != "cpu" or compiling or (x.requires_grad and torch.is_grad_enabled()):
        return _all_at_once(x, factors, order, hue).to(dtype)
    rows = _code(order).argsort(stable=True)
    return torch.empty_like(x).index_copy_(0, rows, _order_by_order_(x[rows], factors[rows], order[rows])).to(dtype)


def _code(order: Tensor) -> Tensor:
    """(B,) a number for each order."""
    return (order * 4 ** torch.arange(order.shape[1])).sum(1)


def _order_by_order_(x: Tensor, factors: Tensor, order: Tensor) -> Tensor:
    """In place, images sorted by order: each goes through its own steps alone; hue, the dearest, all at once."""
    if order.numel():
        x.clamp_(0.0, 1.0)
    counts = torch.unique_consecutive(_code(order), return_counts=True)[1]
    orders = order[counts.cumsum(0) - 1].tolist()
    groups = list(zip(x.split(counts.tolist()), factors.split(counts.tolist()), orders))
    for part, factor, steps in groups:
        for step in itertools.takewhile(lambda step: step != HUE, steps):
            _adjust_(part, step, factor[:, step])
    if order.numel() and HUE in orders[0]:
        cached = max(1, _CPU_VALUES // max(1, math.prod(x.shape[1:])))
        for part, shift in zip(x.split(cached), factors[:, HUE].split(cached)):
            for band, turned in zip(part.split(1, dim=1), turn_hue(part.split(1, dim=1), per_sample(shift, x))):
                band.copy_(turned)
        for part, factor, steps in groups:
            for step in steps[steps.index(HUE) + 1 :]:
                _adjust_(part, step, factor[:, step])
    return x


def _adjust_(x: Tensor, step: int, factor: Tensor) -> None:
    """One of the first three steps, in place."""
    f = per_sample(factor, x)
    if step == BRIGHTNESS:
        x.mul_(f)
    elif step == CONTRAST:
        other = _mean(luma(x)).mul(1.0 - f)
        x.mul_(f).add_(other)
    else:
        other = luma(x).mul(1.0 - f)
        x.mul_(f).add_(other)
    x.clamp_(0.0, 1.0)


def _mean(grey: Tensor) -> Tensor:
    """Mean of each image, (B, 1, 1, 1); in two steps, so that a large image's is summed alike alone and in a batch."""
    return grey.mean(3, keepdim=True).mean(2, keepdim=True)


def _all_at_once(x: Tensor, factors: Tensor, order: Tensor, hue: bool) -> Tensor:
    """The same without a look at the orders, in few passes over the pixels, since contrast alone needs a mean: contrast
    at two places, hue between them, and brightness and saturation at four; where an image has nothing, factors of 1."""
    contrast, changes = _places(factors, order, hue)
    # Band by band, which a compiler fuses and vectorises; a tensor of all three it does not.
    bands = _brightness_and_saturation(x.clamp(0.0, 1.0).split(1, dim=1), changes[0])
    for i in range(2 if hue else 1):
        f, grey = per_sample(contrast[i], x), luma_of(*bands) if len(bands) == 3 else bands[0]
        other = _mean(grey) * (1.0 - f)
        bands = [(band * f).add_(other).clamp_(0.0, 1.0) for band in bands]
        bands = _brightness_and_saturation(bands, changes[1 + 2 * i])
        if hue and i == 0:
            bands = _brightness_and_saturation(turn_hue(bands, per_sample(factors[:, HUE], x)), changes[2])
    return torch.cat(list(bands), dim=1)


def _places(factors: Tensor, order: Tensor, hue: bool) -> tuple[list[Tensor], list[tuple[Tensor, Tensor, Tensor]]]:
    """Factors (B,) of contrast before and after hue; and of brightness, saturation, brightness at the start, after
    that contrast, after hue and after the other contrast."""

    def place(step: int) -> Tensor:
        return (order == step).int().argmax(dim=1)

    brightness, contrast, saturation = (place(step) for step in (BRIGHTNESS, CONTRAST, SATURATION))
    turn = place(HUE) if hue else torch.full_like(contrast, order.shape[1])
    before = contrast < turn

    def stage(step: Tensor) -> Tensor:
        past_contrast, past_hue = (step > contrast).int(), (step > turn).int()
        return past_contrast + torch.where(before, past_hue, 2 * past_hue)

    dim, vivid, first = stage(brightness), stage(saturation), brightness < saturation
    f = [torch.where((order == step).any(1), factors[:, step], 1.0) for step in (BRIGHTNESS, CONTRAST, SATURATION)]
    changes = [
        (
            torch.where((dim == i) & first, f[0], 1.0),
            torch.where(vivid == i, f[2], 1.0),
            torch.where((dim == i) & ~first, f[0], 1.0),
        )
        for i in range(4)
    ]
    return [torch.where(before, f[1], 1.0), torch.where(before, 1.0, f[1])], changes


def _brightness_and_saturation(bands: Sequence[Tensor], factors: tuple[Tensor, Tensor, Tensor]) -> list[Tensor]:
    first, saturation, last = (per_sample(f, bands[0]) for f in factors)
    changed = [(band * first).clamp_(max=1.0) for band in bands]
    if len(changed) == 3:
        other = luma_of(*changed).mul_(1.0 - saturation)
        changed = [band.mul_(saturation).add_(other).clamp_(0.0, 1.0) for band in changed]
    return [band.mul_(last).clamp_(max=1.0) for band in changed]


@lru_cache(maxsize=1)
def _compiled() -> Callable[[Tensor, Tensor, Tensor, bool], Tensor]:
    """``_all_at_once`` compiled for batches of any size; as it is where nothing can be compiled."""
    compiled = torch.compile(_all_at_once)

    def call(x: Tensor, factors: Tensor, order: Tensor, hue: bool) -> Tensor:
        for tensor in (x, factors, order):
            torch._dynamo.maybe_mark_dynamic(tensor, 0)
        return compiled(x, factors, order, hue)

    try:
        call(torch.zeros(2, 3, 2, 2), torch.ones(2, 4), torch.arange(4).expand(2, 4).contiguous(), True)
    except torch._dynamo.exc.BackendCompilerFailed as error:
        why = " ".join(str(error).partition("\n\n")[0].split())
        warnings.warn(f"the colour jitter runs uncompiled, for torch.compile fails here: {why}", stacklevel=2)
        return _all_at_once
    return call


class RandomColorJitter(IntensityOperation):
    """Brightness, contrast, saturation and hue by random factors, in random order, with probability ``p``.

    Equal to torchvision's ColorJitter with factors and order drawn for each image. It is defined on images in 0..1 and
    clamps to 0..1 after brightness, contrast and saturation, as torchvision does.

    ``mode="compiled"`` is the same fused by ``torch.compile``, which takes 5 to 20 seconds at the first call and, on a
    CPU, a C++ compiler: for long runs.
    ``mode="fast"`` takes one affine map of the colours of each image instead (``color_affine``), with the same factors
    and orders, in a third of the time. On photographs with SimCLR's factors of strength 0.5 the two differ by 6.4 grey
    levels of 255 on average (median 2.2, 99th percentile 50), nearly all of it by hue; the jitter itself
    changes 21.5 (``python -m benchmarks augmentation``).

    Args:
        brightness: factor uniform in [max(0, 1 - b), 1 + b], or in the pair given; 0 leaves it out.
        contrast: likewise.
        saturation: likewise; needs 3 bands.
        hue: shift uniform in [-h, h] turns, h at most 0.5, or in the pair given; 0 leaves it out; needs 3 bands.
        p: probability per sample.
        mode: "exact", "compiled" or "fast"; images of one band are never "fast".
        keepdim: kornia's: give a (C, H, W) input back as (C, H, W).

    Raises:
        ValueError: if a range is out of bounds, ``p`` no probability or ``mode`` unknown; at the call, if the bands do
            not suit.
    """

    needs = frozenset({Need.UNIT_RANGE})

    def __init__(
        self,
        brightness: float | Sequence[float] = 0.0,
        contrast: float | Sequence[float] = 0.0,
        saturation: float | Sequence[float] = 0.0,
        hue: float | Sequence[float] = 0.0,
        p: float = 0.8,
        mode: str = "exact",
        keepdim: bool = False,
    ) -> None:
        checks.choice("mode", mode, ("exact", "compiled", "fast"))
        given = (brightness, contrast, saturation, hue)
        ranges = {name: _factor_range(name, value) for name, value in zip(_NAMES, given)}
        super().__init__(p, keepdim, **ranges, mode=mode)
        neutral = ((1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (0.0, 0.0))
        self._steps = [i for i, name in enumerate(_NAMES) if ranges[name] != neutral[i]]

    def check_bands(self, bands: int) -> None:
        allowed = (3,) if {SATURATION, HUE} & set(self._steps) else (1, 3)
        if bands not in allowed:
            raise ValueError(
                f"it takes images of {' or '.join(map(str, allowed))} bands, but the samples have "
                f"{checks.counted(bands, 'band')}: "
                + ("set saturation=0 and hue=0." if bands == 1 else "leave it out.")
            )

    def draws(self, shape: Sequence[int]) -> int:
        self.check_bands(shape[1])
        return 5

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        ranges = (self.flags[name] for name in _NAMES)
        factors = torch.stack([low + (high - low) * u[:, i] for i, (low, high) in enumerate(ranges)], dim=1)
        orders = _orders(tuple(self._steps), u.device)
        return {"factors": factors, "order": orders[(u[:, 4].double() * len(orders)).long()]}

    def note(self, parameters: dict[str, Tensor], row: int) -> dict[str, Any]:
        factors = parameters["factors"][row].tolist()
        return {_NAMES[step]: float(f"{factors[step]:.3g}") for step in parameters["order"][row].tolist()}

    def work_key(self, drawn: Drawn) -> Tensor | None:
        if self.flags["mode"] != "exact" or not self._steps:
            return drawn.applied if self.p < 1.0 else None
        return torch.where(drawn.applied, _code(drawn.parameters["order"]), -1)

    def apply_drawn(self, x: Tensor, drawn: Drawn, **given: Tensor) -> Tensor:
        if self.flags["mode"] == "exact" and x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64):
            rows, order = rows_where(drawn.applied), drawn.parameters["order"][drawn.applied]
            code = _code(order)
            if isinstance(rows, slice) and bool((code[1:] >= code[:-1]).all()):
                _order_by_order_(x[rows], drawn.parameters["factors"][rows].to(x.dtype), order)
                return x
        return super().apply_drawn(x, drawn, **given)

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        if flags["mode"] == "fast" and x.shape[1] == 3:
            return color_affine(x, parameters["factors"], parameters["order"])
        steps = parameters["factors"], parameters["order"], HUE in self._steps
        return color_jitter(x, *steps, compiled=flags["mode"] == "compiled")


@lru_cache(maxsize=64)
def _orders(steps: tuple[int, ...], device: torch.device) -> Tensor:
    """(n!, n) int64: every order of the steps, kept on the device, for a copy to it would wait for the device."""
    return torch.tensor(list(itertools.permutations(steps)), dtype=torch.int64, device=device)


def _factor_range(name: str, value: float | Sequence[float]) -> tuple[float, float]:
    centre, low, high = (0.0, -0.5, 0.5) if name == "hue" else (1.0, 0.0, math.inf)
    if checks.is_list(value):
        return checks.interval(name, cast(Sequence[float], value), low, high)
    spread = checks.number(name, cast(float, value), 0.0, high)
    return max(low, centre - spread), centre + spread
