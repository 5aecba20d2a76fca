"""Every operation by its name in a recipe: one file and one line here make an augmentation.

The file holds a class, an ``IntensityOperation`` (values change) or a ``GeometricOperation`` (pixels move) of
``augment.base``. It gives ``draws`` (how many random numbers a sample takes), ``compute_parameters`` (what they mean)
and ``operate`` (what is done), and says what it is by the class attributes ``needs``, ``keeps_label`` and
``acts_on_bands``. ``augment/solarize.py`` is a short one.

The line says where the class is, and by its place when the operation is applied: after those above it.

The arguments of the constructor are then the keys of ``augment.NAME`` in a recipe, with their types and defaults (give
each a default, for an override names only what it changes); the constructor refuses wrong values with a ValueError. The
shipped operations have sections of their own in ``simclr.recipe.augment``, so that a recipe of theirs is read without
importing torch.

A program that adds an operation of its own to the table does so before it imports ``simclr.recipe.augment``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from inspect import Parameter, signature
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simclr.augment.base import AddressedOperation

OPERATIONS_TABLE: dict[str, str] = {
    "neighbour_mixture": "simclr.augment.neighbour_mixture:RandomNeighbourMixture",
    "affine": "simclr.augment.affine:RandomAffine",
    "elastic": "simclr.augment.elastic:RandomElastic",
    "resized_crop": "simclr.augment.resized_crop:RandomResizedCrop",
    "horizontal_flip": "simclr.augment.flip:RandomHorizontalFlip",
    "vertical_flip": "simclr.augment.flip:RandomVerticalFlip",
    "rotation90": "simclr.augment.rotation90:RandomRotation90",
    "morphology": "simclr.augment.morphology:RandomMorphology",
    "spectral_shift": "simclr.augment.spectral_shift:RandomSpectralShift",
    "spectral_smoothing": "simclr.augment.spectral_smoothing:RandomSpectralSmoothing",
    "illumination": "simclr.augment.illumination:RandomIllumination",
    "radiation": "simclr.augment.radiation:RandomRadiation",
    "spectral_jitter": "simclr.augment.spectral_jitter:RandomSpectralJitter",
    "band_dropout": "simclr.augment.band_dropout:RandomBandDropout",
    "noise": "simclr.augment.noise:RandomNoise",
    "color_jitter": "simclr.augment.color_jitter:RandomColorJitter",
    "grayscale": "simclr.augment.grayscale:RandomGrayscale",
    "blur": "simclr.augment.blur:RandomGaussianBlur",
    "solarize": "simclr.augment.solarize:RandomSolarize",
    "cutout": "simclr.augment.cutout:RandomCutout",
}
"""Name -> "module:Class", in the order in which the operations are applied."""


class _Classes(Mapping[str, "type[AddressedOperation]"]):
    """The table with the classes themselves, each imported when it is first asked for."""

    def __getitem__(self, name: str) -> type[AddressedOperation]:
        module, _, kind = OPERATIONS_TABLE[name].partition(":")
        return getattr(import_module(module), kind)

    def __iter__(self) -> Iterator[str]:
        return iter(OPERATIONS_TABLE)

    def __len__(self) -> int:
        return len(OPERATIONS_TABLE)

    def __contains__(self, name: object) -> bool:
        return name in OPERATIONS_TABLE


OPERATIONS: Mapping[str, type[AddressedOperation]] = _Classes()
"""Name -> class, in the order in which the operations are applied."""


def arguments_of(kind: type[AddressedOperation]) -> list[Parameter]:
    """The arguments of an operation's constructor that a recipe may set: all that have a name, but kornia's
    ``keepdim``."""
    unnamed = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return [p for p in signature(kind).parameters.values() if p.name != "keepdim" and p.kind not in unnamed]
