"""A fitted preprocessing for samples whose bands have another mean and spread, as those of another sensor."""

from __future__ import annotations

import copy

import torch

from simclr.data.moments import Moments, moments_of
from simclr.data.preprocess import Preprocess
from simclr.data.source import Source
from simclr.errors import InputError


def aligned_preprocess(preprocess: Preprocess, source: Source, target: Source) -> Preprocess:
    """The preprocessing after which each band of the target has the mean and the spread that it has in the source.

    Gain and offset of a band are taken away, whatever they are; so is a difference of the two scenes in what they
    hold. A band that is constant in one of them is only moved.

    Args:
        preprocess: what is done to the source; it stays as it is.
        source, target: raw samples of the same bands.

    Raises:
        InputError: a preprocessing that hands spectra on, whose lengths would not be aligned.
    """
    if preprocess.unit_whiten:
        raise InputError("target.statistics is own, which does not go with data.spectrum: set target.statistics=data")
    ours, theirs = moments_of(target), moments_of(source)
    in_units = preprocess.normalize in ("unit", "none")  # these have no offset and scale to change
    (mean, spread), (mean_there, spread_there) = (
        _mean_and_spread(moments, (of.value_max or 1) if preprocess.normalize == "unit" else 1)
        for moments, of in ((ours, target), (theirs, source))
    )
    both = (spread > 0) & (spread_there > 0)
    gain = torch.where(both, spread_there / spread.where(both, torch.ones_like(spread)), 1.0)
    offset = mean_there - gain * mean
    other = copy.deepcopy(preprocess)
    other.value_max = target.value_max
    other.value_range = (float(ours.low.min()), float(ours.high.max()))
    if in_units:
        matrix = preprocess.matrix.cpu().double()
        moved = matrix * offset if preprocess.whiten is None else matrix @ offset
        other.matrix.copy_(matrix * gain)
        other.bias.copy_(preprocess.bias.cpu().double() + moved)
    else:
        other.offset.copy_((preprocess.offset.cpu().double() - offset) / gain)
        other.scale.copy_(preprocess.scale.cpu().double() * gain)
    return other


def _mean_and_spread(moments: Moments, unit: float) -> tuple[torch.Tensor, torch.Tensor]:
    return moments.mean / unit, moments.variance.sqrt() / unit
