"""What an operation may need from the source of its samples; known without torch, for recipes are read without it."""

from enum import Enum


class Need(Enum):
    """Something that only the source of the samples knows: whoever builds the views completes the arguments by it."""

    NEIGHBOURS = "neighbours"
    """For each sample another one that lies near it in a scene, handed to ``mix``; the recipe's ``shift`` says how
    near."""

    SAMPLE_SIDE = "sample side"
    """The side of the samples, as the argument ``size`` where the recipe leaves it open."""

    UNIT_RANGE = "unit range"
    """Values from 0 to 1: the operation is refused where they are in other units."""

    WAVELENGTHS = "wavelengths"
    """The places of the bands, as the arguments ``wavelengths`` and ``unit``, which a recipe does not have; of samples
    that are no scene they keep their defaults."""

    BAND_NOISE = "band noise"
    """How noisy the bands are, as the argument ``sd``, a number or one a band; instead of it, the recipe takes a
    ``snr``."""

    ZERO = "zero"
    """What a radiance of 0 is in the units that the operation works in, as the argument ``zero``, which a recipe does
    not have; of samples that are no scene it keeps its default."""
