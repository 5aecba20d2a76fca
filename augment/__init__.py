"""Views on the device: kornia operations whose random numbers have an address.

Names are loaded when first used, so that ``augment.registry`` can be read without importing torch.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from augment.registry import OPERATIONS as OPERATIONS
from augment.registry import OPERATIONS_TABLE as OPERATIONS_TABLE

if TYPE_CHECKING:
    from augment.addressed import Address as Address
    from augment.addressed import box_muller as box_muller
    from augment.addressed import permutation as permutation
    from augment.addressed import philox4x32 as philox4x32
    from augment.band_dropout import RandomBandDropout as RandomBandDropout
    from augment.blur import RandomGaussianBlur as RandomGaussianBlur
    from augment.color_jitter import RandomColorJitter as RandomColorJitter
    from augment.cutout import RandomCutout as RandomCutout
    from augment.flip import RandomHorizontalFlip as RandomHorizontalFlip
    from augment.flip import RandomVerticalFlip as RandomVerticalFlip
    from augment.grayscale import RandomGrayscale as RandomGrayscale
    from augment.neighbour_mixture import RandomNeighbourMixture as RandomNeighbourMixture
    from augment.noise import RandomNoise as RandomNoise
    from augment.pipeline import Views as Views
    from augment.pipeline import build_views as build_views
    from augment.radiation import RandomRadiation as RandomRadiation
    from augment.resized_crop import RandomResizedCrop as RandomResizedCrop
    from augment.rotation90 import RandomRotation90 as RandomRotation90
    from augment.solarize import RandomSolarize as RandomSolarize
    from augment.spectral_jitter import RandomSpectralJitter as RandomSpectralJitter
    from augment.spectral_shift import RandomSpectralShift as RandomSpectralShift
    from augment.spectral_smoothing import RandomSpectralSmoothing as RandomSpectralSmoothing
    from augment.trace import trace as trace
    from augment.view_groups import ViewGroups as ViewGroups
    from augment.virtual_samples import virtual_sample as virtual_sample
    from augment.virtual_samples import virtual_samples as virtual_samples

_HOME = {kind: module for module, _, kind in (address.partition(":") for address in OPERATIONS_TABLE.values())} | {
    "Address": "augment.addressed",
    "ViewGroups": "augment.view_groups",
    "Views": "augment.pipeline",
    "box_muller": "augment.addressed",
    "build_views": "augment.pipeline",
    "permutation": "augment.addressed",
    "philox4x32": "augment.addressed",
    "trace": "augment.trace",
    "virtual_sample": "augment.virtual_samples",
    "virtual_samples": "augment.virtual_samples",
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

    Importing the file ``augment.trace`` would put it in the place of the function ``augment.trace``.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
