"""A `Preprocess` fitted to a source: its units, and the components that the encoder takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from simclr.data.moments import Moments, moments_of
from simclr.data.preprocess import MODES, Preprocess
from simclr.data.scenes.neighbour_noise import SceneComponents, scene_components
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.data.units import check_spread, spread_or_one, units_of, whitening_of
from simclr.errors import InputError

MOST_OF_UNITS = 2
"""Components of the spectra of unit length for each one of the spectra, at most."""


def fit_preprocess(
    source: Source,
    normalize: str = "auto",
    whiten: int | Literal["auto"] | None = None,
    *,
    spectrum: bool = False,
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
            (n - 1 in the denominator), the sign such that the largest loading is positive. "auto", of a scene: the
            components that stand above the noise by which neighbouring pixels differ, each in units of that noise
            divided by the fourth root of its ratio of variance to noise: strong ones lead, and none is lifted.
        spectrum: of a scene: the spectrum goes with it, as it is and of unit length; see :class:`Preprocess`.
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
    _check_scenes_own(source, whiten, spectrum, pool)
    if isinstance(whiten, int) and not 1 <= whiten <= channels:
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

    moments: Moments | None = None
    if normalize != "none" or whiten is not None:
        moments = moments_of(source, covariance=whiten is not None, samples=samples)
        check_spread(moments, source.name)
    above_noise: SceneComponents | None = None
    if whiten == "auto" and moments is not None and isinstance(source, SceneSource):
        above_noise = scene_components(source, moments)
        whiten = len(above_noise.ratios)
    preprocess = Preprocess(
        channels,
        normalize,
        whiten=whiten if isinstance(whiten, int) else None,
        value_max=source.value_max,
        pool=pool,
        input_size=input_size,
    )
    if moments is not None:
        _fill(preprocess, source, moments, above_noise, given_mean, given_std)
    if isinstance(source, SceneSource) and source.bad_bands:
        bad = list(source.bad_bands)
        preprocess.scale[bad] = 0
        preprocess.matrix[..., bad] = 0
        if whiten is None:
            preprocess.bias[bad] = 0
    if spectrum and isinstance(source, SceneSource):
        return _with_spectra(preprocess, source)
    return preprocess


def _with_spectra(preprocess: Preprocess, scene: SceneSource) -> Preprocess:
    """The same, and behind it the spectra of unit length and their components."""
    units = scene.mapped(lambda cube: preprocess.unit_length(preprocess.to_units(cube, scene.value_max)))
    moments = moments_of(units, covariance=True)
    found = scene_components(units, moments)
    # Of dark pixels the length is mostly noise, and so are many of these components: they may not outnumber the others.
    most = MOST_OF_UNITS * (preprocess.whiten or 0)
    found = found._replace(directions=found.directions[:most], ratios=found.ratios[:most])
    whole = Preprocess.from_config({**preprocess.config(), "unit_whiten": len(found.ratios)})
    whole.load_state_dict(preprocess.state_dict(), strict=False)
    whole.unit_mean.copy_(moments.mean)
    whole.unit_std.copy_(found.spread)
    matrix, _ = found.from_units(found.mean, 1 / found.spread)
    whole.unit_matrix.copy_(matrix)
    return whole


def _check_scenes_own(source: Source, whiten: int | str | None, spectrum: bool, pool: int) -> None:
    """Raises an InputError unless what only a scene has is asked of a scene."""
    for given, asked in (("whiten=auto", whiten == "auto"), ("spectrum", spectrum)):
        if asked and not isinstance(source, SceneSource):
            raise InputError(f"data.{given} takes a scene, but the source is {source.name}: leave it out.")
    if spectrum and (pool > 1 or whiten is None):
        raise InputError(
            f"data.spectrum goes with components of single pixels, but data.pool is {pool} and data.whiten is "
            f"{'null' if whiten is None else whiten}: set data.pool=1 and data.whiten=auto."
        )


def _fill(
    preprocess: Preprocess,
    source: Source,
    moments: Moments,
    above_noise: SceneComponents | None,
    given_mean: Tensor | None,
    given_std: Tensor | None,
) -> None:
    """Sets the buffers of a new Preprocess."""
    normalize, whiten = preprocess.normalize, preprocess.whiten
    preprocess.value_range = (float(moments.low.min()), float(moments.high.max()))
    offset, scale = units_of(source, normalize, moments, given_mean, given_std)
    if normalize != "unit":  # its scale depends on the dtype of each batch
        preprocess.offset.copy_(offset)
        preprocess.scale.copy_(scale)
    if above_noise is not None:
        matrix, bias = above_noise.from_units(offset, scale)
    elif whiten is not None:
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
