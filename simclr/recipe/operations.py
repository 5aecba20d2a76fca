"""What a recipe may say of each operation: one section an operation, with its ranges and defaults."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simclr.recipe.section import (
    MOST_CHANNELS,
    NotNegative,
    Odd,
    Positive,
    PositiveRange,
    PositiveShareRange,
    Probability,
    Range,
    Section,
    ShareRange,
    Side,
)


class Sized(Section):
    """What takes the side of the samples where it is given none."""

    size: Side | None = Field(None, description="side of the view; by default that of the data")


class Near(Section):
    """Scenes: what takes pixels near by."""

    shift: Side = Field(3, description="greatest offset in pixels in each direction")


class BandNoise(Section):
    """What adds noise, of a given size or of that of the bands."""

    sd: NotNegative | list[NotNegative] = Field(0.05, description="in units after data.normalize; one, or one a band")
    snr: Positive | list[Positive] | Literal["estimate", "neighbours"] | None = Field(
        None,
        description="scenes, instead of sd: mean/noise of the raw bands, one or one a band; or from the scene: what "
        "the other bands do not explain, or what calm neighbours differ by",
    )

    @model_validator(mode="after")
    def _check(self) -> "BandNoise":
        if self.snr is not None and self.sd != type(self).model_fields["sd"].default:
            # A section's class is called like its operation.
            name = type(self).__name__.lower()
            raise ValueError(f"augment.{name} has both sd and snr: set one of the two")
        return self


class ResizedCrop(Sized):
    scale: PositiveShareRange = Field((0.08, 1.0), description="share of the image's area")
    ratio: PositiveRange = Field((0.75, 4 / 3), description="width/height")
    keep_center: bool = Field(False, description="scenes: only boxes that hold the centre pixel")


class CenterShift(Section):
    """Scenes: the first view lies on its pixel, every other one on a pixel near it."""

    shift: Side = Field(description="greatest offset in pixels in each direction")
    candidates: Annotated[int, Field(ge=1, le=64)] = Field(1, description="the most similar of so many is taken")
    window: Odd = Field(5, description="side of the square averaged for the comparison, odd")


class Flip(Section):
    p: Probability = 0.5


class Rotation90(Section):
    p: Probability = 1.0


class NeighbourMixture(Near):
    """Scenes: a patch mixed with that of a pixel near it."""

    alpha: ShareRange = Field((0.7, 1.0), description="the sample's own share")
    p: Probability = 0.5


class Affine(Section):
    """For strokes: turned, shifted, scaled and sheared in one resampling."""

    degrees: Annotated[float, Field(ge=0, le=180)] = Field(15.0, description="greatest turn, in both directions")
    translate: Probability = Field(0.1, description="greatest shift, as a share of the side")
    scale: PositiveRange = (0.8, 1.25)
    shear: Annotated[float, Field(ge=0, le=80)] = Field(10.0, description="greatest slant in degrees")
    fill: float = Field(0.0, description="of what comes in from beyond the edge, in units after data.normalize")
    p: Probability = 1.0


class Elastic(Section):
    amount: Annotated[float, Field(ge=0, le=0.5)] = Field(0.04, description="sd of the moves, as a share of the side")
    points: Annotated[int, Field(ge=2, le=32)] = Field(4, description="a side, at which moves are drawn")
    fill: float = 0.0
    p: Probability = 1.0


class Morphology(Section):
    """For strokes: drawn with a thicker or a thinner pen."""

    size: Annotated[int, Field(ge=2, le=15)] = Field(2, description="side of the largest square, from 2 pixels")
    p: Probability = 0.5


class SpectralShift(Section):
    """Spectra moved along their axis; by a positive shift, features move to shorter wavelengths."""

    shift: NotNegative = Field(
        1.0, description="greatest, in both directions: in nm where wavelengths are known, else in bands"
    )
    p: Probability = 0.5


class SpectralSmoothing(Section):
    sigma: PositiveRange = Field((0.5, 2.0), description="in nm where wavelengths are known, else in bands")
    p: Probability = 0.5


class Illumination(Section):
    """Scenes: more light, or less."""

    gain: Annotated[float, Field(ge=0, le=20)] = Field(0.3, description="greatest logarithm of the factor")
    p: Probability = 1.0


class Radiation(Section):
    alpha: Range = (0.9, 1.1)
    beta: Annotated[float, Field(ge=0)] = 0.04
    p: Probability = 1.0


class SpectralJitter(Section):
    gain: Annotated[float, Field(ge=0)] = 0.1
    offset: Annotated[float, Field(ge=0)] = 0.1
    order: Annotated[int, Field(ge=0, le=100)] = Field(3, description="highest cosine of the curves")
    p: Probability = 0.8


class BandDropout(Section):
    fraction: Annotated[float, Field(ge=0, lt=1)] = 0.1
    window: Annotated[int, Field(ge=0, le=MOST_CHANNELS)] = 0
    p: Probability = 0.5


class Noise(BandNoise):
    p: Probability = 0.5


class Cutout(Section):
    scale: PositiveShareRange = Field((0.02, 0.3), description="share of the image's area")
    p: Probability = 0.5


class ColorJitter(Section):
    brightness: Annotated[float, Field(ge=0)] = 0.8
    contrast: Annotated[float, Field(ge=0)] = 0.8
    saturation: Annotated[float, Field(ge=0)] = 0.8
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    p: Probability = 0.8
    mode: Literal["exact", "compiled", "fast"] = "exact"


class Grayscale(Section):
    p: Probability = 0.2


class Blur(Section):
    kernel_size: Odd = Field(23, description="taps, odd; SimCLR takes a tenth of the side")
    sigma: PositiveRange = Field((0.1, 2.0), description="in pixels")
    p: Probability = 0.5


class Solarize(Section):
    threshold: Probability = Field(0.5, description="pixels from 0 to 1 are turned from here on")
    p: Probability = 0.2
