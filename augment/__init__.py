"""Views on the device: kornia operations whose random numbers have an address.

Names are loaded when first used, so that ``simclr.augment.registry`` can be read without importing torch.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from simclr.augment.registry import OPERATIONS as OPERATIONS
from simclr.augment.registry import OPERATIONS_TABLE as OPERATIONS_TABLE

if TYPE_CHECKING:
    from simclr.augment.addressed import Address as Address
    from simclr.augment.addressed import box_muller as box_muller
    from simclr.augment.addressed import permutation as permutation
    from simclr.augment.addressed import philox4x32 as philox4x32
    from simclr.augment.affine import RandomAffine as RandomAffine
    from simclr.augment.band_dropout import RandomBandDropout as RandomBandDropout
    from simclr.augment.blur import RandomGaussianBlur as RandomGaussianBlur
    from simclr.augment.color_jitter import RandomColorJitter as RandomColorJitter
    from simclr.augment.cutout import RandomCutout as RandomCutout
    from simclr.augment.elastic import RandomElastic as RandomElastic
    from simclr.augment.flip import RandomHorizontalFlip as RandomHorizontalFlip
    from simclr.augment.flip import RandomVerticalFlip as RandomVerticalFlip
    from simclr.augment.grayscale import RandomGrayscale as RandomGrayscale
    from simclr.augment.morphology import RandomMorphology as RandomMorphology
    from simclr.augment.neighbour_mixture import RandomNeighbourMixture as RandomNeighbourMixture
    from simclr.augment.noise import RandomNoise as RandomNoise
    from simclr.augment.pipeline import Views as Views
    from simclr.augment.pipeline import build_views as build_views
    from simclr.augment.radiation import RandomRadiation as RandomRadiation
    from simclr.augment.resized_crop import RandomResizedCrop as RandomResizedCrop
    from simclr.augment.rotation90 import RandomRotation90 as RandomRotation90
    from simclr.augment.solarize import RandomSolarize as RandomSolarize
    from simclr.augment.spectral_jitter import RandomSpectralJitter as RandomSpectralJitter
    from simclr.augment.spectral_shift import RandomSpectralShift as RandomSpectralShift
    from simclr.augment.spectral_smoothing import RandomSpectralSmoothing as RandomSpectralSmoothing
    from simclr.augment.trace import trace as trace
    from simclr.augment.view_groups import ViewGroups as ViewGroups
    from simclr.augment.virtual_samples import virtual_sample as virtual_sample
    from simclr.augment.virtual_samples import virtual_samples as virtual_samples

_HOME = {kind: module for module, _, kind in (address.partition(":") for address in OPERATIONS_TABLE.values())} | {
    "Address": "simclr.augment.addressed",
    "ViewGroups": "simclr.augment.view_groups",
    "Views": "simclr.augment.pipeline",
    "box_muller": "simclr.augment.addressed",
    "build_views": "simclr.augment.pipeline",
    "permutation": "simclr.augment.addressed",
    "philox4x32": "simclr.augment.addressed",
    "trace": "simclr.augment.trace",
    "virtual_sample": "simclr.augment.virtual_samples",
    "virtual_samples": "simclr.augment.virtual_samples",
}

__all__ = sorted(["OPERATIONS", *_HOME])


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])


class _Package(ModuleType):
    """A module that keeps its public functions where a file has the name of one.

    Importing the file ``simclr.augment.trace`` would put it in the place of the function ``simclr.augment.trace``.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

if __name__ == "augment":  # from a checkout's root: the same modules as under their own names
    from simclr.augment.doors import open_door

    open_door(__name__)
