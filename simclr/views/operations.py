"""What the source gives the operations of a recipe, need by need, and the pipelines that are built of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from simclr.augment.needs import Need
from simclr.augment.pipeline import Views, build_views
from simclr.augment.registry import OPERATIONS
from simclr.augment.view_groups import ViewGroups
from simclr.data.preprocess import Preprocess
from simclr.data.scenes.band_noise import noise_in_units
from simclr.data.scenes.neighbours import Neighbours
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.errors import InputError
from simclr.recipe.augment import Augment

Arguments = dict[str, Any]


class Samples(NamedTuple):
    """What operations may need to know of the samples that they work on.

    Attributes:
        source: raw.
        preprocess: fitted on it, to the units that operations work in.
        size: height and width of a sample in those units.
        of_components: operations work on the components of a scene that the preprocessing gives, not on its bands.
    """

    source: Source
    preprocess: Preprocess
    size: tuple[int, int]
    of_components: bool = False

    @property
    def scene(self) -> SceneSource | None:
        """The source, if it is a scene."""
        return self.source if isinstance(self.source, SceneSource) else None

    @property
    def bands(self) -> int:
        """How many bands operations see: all but the bad ones; or how many components."""
        if self.of_components:
            return self.preprocess.components
        return len(self.scene.good_bands) if self.scene else self.source.in_chans


def build_augment(
    augment: Augment, source: Source, preprocess: Preprocess, seed: int, *, of_components: bool = False
) -> tuple[ViewGroups, ViewGroups | None]:
    """The recipe's operations as one pipeline, and one for the small views, if any.

    Args:
        augment: the recipe's section.
        source: raw.
        preprocess: fitted on it.
        seed: of the run.
        of_components: see `Samples`.

    Raises:
        InputError: an operation that does not fit the source.
    """
    height, width = sample_size(source)
    size = (height // preprocess.pool, width // preprocess.pool)
    samples = Samples(source, preprocess, size, of_components)
    large = _group(augment, range(augment.views), samples, seed, "augment")
    if augment.small_views is None:
        return large, None
    small = range(augment.views, augment.total_views)
    return large, _group(augment, small, samples, seed, "augment.small_views")


def _group(augment: Augment, views: Sequence[int], samples: Samples, seed: int, key: str) -> ViewGroups:
    """Views of one size; ``key`` is what the recipe says of them under."""
    alike: dict[str, list[int]] = {}
    for view in views:
        alike.setdefault(json.dumps(augment.of_view(view)), []).append(view)
    built = []
    for text, numbers in alike.items():
        operations = _complete(json.loads(text), samples)
        try:
            group = build_views(operations, size=samples.size, in_chans=samples.bands, views=numbers, seed=seed)
        except ValueError as error:
            raise InputError(str(error).replace("augment.", f"{key}.", 1)) from None
        # After the number of bands, which no other units would mend.
        _check_units(group, samples)
        built.append(group)
    sizes = {group.output_size(samples.size): group.views[0] for group in built}
    if len(sizes) > 1:
        shown = ", ".join(f"view {view} is {h}x{w}" for (h, w), view in sizes.items())
        raise InputError(f"{key}.overrides gives views of several sizes ({shown}): use augment.small_views")
    return ViewGroups(built)


def _complete(operations: Mapping[str, Arguments], samples: Samples) -> dict[str, Arguments]:
    """The recipe's arguments of operations, with what only the source knows."""
    if samples.of_components:
        for name in operations:
            if OPERATIONS[name].acts_on_bands and name not in ("illumination", "noise"):
                raise InputError(
                    f"augment.{name} works on spectra, but with data.spectrum=kept views are of components: leave it "
                    f"out, or set data.spectrum=seen"
                )
    completed = dict(operations)
    for need, complete in _COMPLETE.items():
        for name in completed:
            if need in OPERATIONS[name].needs:
                completed[name] = complete(name, completed[name], samples)
    return completed


def _neighbours(name: str, arguments: Arguments, samples: Samples) -> Arguments:
    """How near is no argument of the operation: ``join_neighbours`` hands it the neighbours themselves."""
    if samples.scene is None:
        raise InputError(
            f"augment.{name} takes pixels near by in a scene, but the source is {samples.source.name}: leave it out"
        )
    return {key: value for key, value in arguments.items() if key != "shift"}


def _sample_side(name: str, arguments: Arguments, samples: Samples) -> Arguments:
    """A size that the recipe leaves open is the shorter side."""
    return {**arguments, "size": min(samples.size)} if arguments["size"] is None else arguments


def _wavelengths(name: str, arguments: Arguments, samples: Samples) -> Arguments:
    """The places of a scene's good bands."""
    scene = samples.scene
    if scene is None:
        return arguments
    axis = scene.wavelengths or range(scene.in_chans)
    places = [axis[band] for band in scene.good_bands]
    return {**arguments, "wavelengths": places, "unit": "nm" if scene.wavelengths else "bands"}


def _band_noise(name: str, arguments: Arguments, samples: Samples) -> Arguments:
    """A ratio of signal to noise as the noise of each good band, in working units."""
    scene, snr, sd = samples.scene, arguments["snr"], arguments["sd"]
    if snr is not None and scene is None:
        raise InputError(f"augment.{name}.snr takes a scene, but the source is {samples.source.name}: set sd instead")
    if scene and snr is not None:
        key = f"augment.{name}.snr"
        sd = noise_in_units(scene, samples.preprocess, snr, key, of_components=samples.of_components)
    elif scene and isinstance(sd, list) and len(sd) == scene.in_chans:
        sd = [sd[band] for band in scene.good_bands]
    return {**{key: value for key, value in arguments.items() if key != "snr"}, "sd": sd}


def _zero(name: str, arguments: Arguments, samples: Samples) -> Arguments:
    """What no radiance is in each good band's working units."""
    scene, preprocess = samples.scene, samples.preprocess
    if scene is None:
        return arguments
    dark = torch.zeros(1, scene.in_chans, 1, 1, dtype=scene.cube.dtype, device=preprocess.offset.device)
    zero = preprocess.to_units(dark, scene.value_max)
    if samples.of_components:
        # The components of spectra of unit length, which come after, know no light.
        of_units = preprocess.finish(zero).flatten()[: preprocess.whiten].tolist()
        return {**arguments, "zero": of_units + [math.nan] * (preprocess.components - len(of_units))}
    return {**arguments, "zero": zero.flatten()[scene.good_bands].tolist()}


_COMPLETE: dict[Need, Callable[[str, Arguments, Samples], Arguments]] = {
    Need.NEIGHBOURS: _neighbours,
    Need.SAMPLE_SIDE: _sample_side,
    Need.WAVELENGTHS: _wavelengths,
    Need.BAND_NOISE: _band_noise,
    Need.ZERO: _zero,
}
"""Need -> (name, the recipe's arguments, samples) -> the operation's arguments."""


def _check_units(views: Views, samples: Samples) -> None:
    """Raise an InputError if an operation needs values from 0 to 1, and they are not; of floats that are taken as they
    are, the user knows."""
    normalize = samples.preprocess.normalize
    if normalize in ("unit", "minmax") or (normalize == "none" and samples.source.value_max is None):
        return
    for name, operation in views.named().items():
        if Need.UNIT_RANGE in operation.needs:
            usual = "minmax" if samples.source.value_max is None else "unit or minmax"  # floats may lie anywhere
            raise InputError(
                f"augment.{name} works on values from 0 to 1, but with data.normalize={normalize} they are "
                f"not: set data.normalize={usual}, or leave it out"
            )


def join_neighbours(
    views: Sequence[Views], augment: Augment, raw: SceneSource, plain: SceneSource, source: SceneSource
) -> None:
    """Hand views of a scene the patches near by: those that take a pixel's place, and those that are mixed in.

    Args:
        views: whose ``neighbours`` and ``mixed_in`` are set.
        augment: what the recipe says of them.
        raw: the scene, named where the recipe reaches beyond it.
        plain: in the encoder's units, in which similarity is meant; without spectra.
        source: in the units that operations work in.

    Raises:
        InputError: a distance beyond the scene, or two operations that mix in a neighbour each.
    """
    shift, side = augment.center_shift, min(raw.height, raw.width)
    if shift:
        _check_reach(raw, "center_shift.shift", shift.shift, side - 1)
        _check_reach(raw, "center_shift.window", shift.window, 2 * side - 1)
    neighbours = Neighbours(plain, source, **shift.model_dump()) if shift else None
    for group in views:
        group.neighbours = neighbours
        needing = [name for name, operation in group.named().items() if Need.NEIGHBOURS in operation.needs]
        if len(needing) > 1:
            raise InputError(
                f"augment.{needing[0]} and augment.{needing[1]} both mix in a neighbour: leave one out of each view"
            )
        for name in needing:
            reach = augment.of_view(group.views[0])[name]["shift"]
            _check_reach(raw, f"{name}.shift", reach, side - 1)
            group.mixed_in = Neighbours(plain, source, reach, operation=f"{name}.shift", around=neighbours)


def _check_reach(scene: SceneSource, key: str, value: int, most: int) -> None:
    """Raise an InputError if more pixels are meant than the scene has in a direction."""
    if value > most:
        advice = f"use {most} or less" if most > 0 else f"set augment.{key.partition('.')[0]}=null"
        raise InputError(
            f"augment.{key} is {value}, but {scene.name} has {scene.height}x{scene.width} pixels: {advice}"
        )


def sample_size(source: Source) -> tuple[int, int]:
    """Height and width of a sample in pixels."""
    height, width = source[torch.zeros(1, dtype=torch.int64)].shape[-2:]
    return height, width
