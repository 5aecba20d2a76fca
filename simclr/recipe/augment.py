"""What a recipe may say about views: the operations, asymmetric views and small ones.

An operation is a section. ``blur: {}`` switches it on with the defaults below, ``blur: {p: 0.2}`` with another value;
``blur: null``, or no such key, leaves it out. Which operations there are, and in which order they are applied, says
``augment.registry``; one that has no section here has that of its constructor.
"""

from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, create_model, model_serializer, model_validator

from simclr.augment.needs import Need
from simclr.augment.registry import OPERATIONS, OPERATIONS_TABLE, arguments_of
from simclr.recipe.derived import derived_section
from simclr.recipe.operations import (
    Affine,
    BandDropout,
    BandNoise,
    Blur,
    CenterShift,
    ColorJitter,
    Cutout,
    Elastic,
    Flip,
    Grayscale,
    Illumination,
    Morphology,
    Near,
    NeighbourMixture,
    Noise,
    Radiation,
    ResizedCrop,
    Rotation90,
    Sized,
    Solarize,
    SpectralJitter,
    SpectralShift,
    SpectralSmoothing,
)
from simclr.recipe.section import (
    Section,
)

# augment.addressed.MAX_VIEWS: a view's number has a byte in the address of its random numbers. Not imported, since
# recipes are read without torch.
MAX_VIEWS = 256


_SHIPPED: dict[str, type[Section]] = {
    "neighbour_mixture": NeighbourMixture,
    "affine": Affine,
    "elastic": Elastic,
    "resized_crop": ResizedCrop,
    "horizontal_flip": Flip,
    "vertical_flip": Flip,
    "rotation90": Rotation90,
    "morphology": Morphology,
    "spectral_shift": SpectralShift,
    "spectral_smoothing": SpectralSmoothing,
    "illumination": Illumination,
    "radiation": Radiation,
    "spectral_jitter": SpectralJitter,
    "band_dropout": BandDropout,
    "noise": Noise,
    "color_jitter": ColorJitter,
    "grayscale": Grayscale,
    "blur": Blur,
    "solarize": Solarize,
    "cutout": Cutout,
}
KEYS_OF_NEED: dict[Need, type[Section]] = {
    Need.NEIGHBOURS: Near,
    Need.SAMPLE_SIDE: Sized,
    Need.BAND_NOISE: BandNoise,
}
"""The keys with which a recipe says more of what an operation needs."""
# What the source alone knows, and a recipe does not say.
_UNSAID = {Need.WAVELENGTHS: ("wavelengths", "unit"), Need.ZERO: ("zero",)}


def _section(name: str) -> type[Section]:
    if name in _SHIPPED:
        return _SHIPPED[name]
    kind = OPERATIONS[name]
    unsaid = [argument for need, arguments in _UNSAID.items() if need in kind.needs for argument in arguments]
    said = [argument for argument in arguments_of(kind) if argument.name not in unsaid]
    return derived_section(name, kind, said, tuple(KEYS_OF_NEED[need] for need in KEYS_OF_NEED if need in kind.needs))


SECTIONS: dict[str, type[Section]] = {name: _section(name) for name in OPERATIONS_TABLE}
"""The section of each operation, in the order in which they are applied."""

Operations = create_model(
    "Operations",
    __base__=Section,
    __doc__="The operations of a view in the order of application; {} takes the defaults, null leaves one out.",
    __module__=__name__,
    **{name: (section | None, None) for name, section in SECTIONS.items()},  # type: ignore[call-overload]
)


class Changes(Operations):
    """What some views do otherwise: the keys that are set; all others are as for every view.

    ``blur: {p: 0.1}`` changes one value of an operation, ``blur: null`` leaves it out of these views, and ``blur: {}``
    changes nothing where every view is blurred, but blurs these with the defaults where none is.
    """

    @model_serializer(mode="wrap")
    def _only_what_is_set(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        whole = handler(self)
        return {key: _set_part(getattr(self, key), whole[key]) for key in whole if key in self.model_fields_set}


class Override(Changes):
    """Asymmetric views: other operations in some of them."""

    views: list[Annotated[int, Field(ge=0, lt=MAX_VIEWS)]] = Field(
        min_length=1, description="numbers of the views, from 0"
    )


class SmallViews(Changes):
    """Multi-crop: further views of a smaller size, numbered after the others."""

    count: Annotated[int, Field(ge=1, le=MAX_VIEWS)] = Field(description="how many")
    resized_crop: ResizedCrop = Field(description="its size is that of the small views")


class Augment(Operations):
    """Views: how many, of what, and the operations of each."""

    views: Annotated[int, Field(ge=2, le=MAX_VIEWS)] = 2
    center_shift: CenterShift | None = None
    overrides: list[Override] = Field([], description="views that differ from the others")
    small_views: SmallViews | None = None

    @model_validator(mode="after")
    def _check(self) -> "Augment":
        for override in self.overrides:
            for view in override.views:
                if view >= self.views:
                    raise ValueError(
                        f"augment.overrides names view {view}, but augment.views is {self.views}: "
                        f"views are numbered from 0 to {self.views - 1}"
                    )
        if self.small_views and self.small_views.resized_crop.size is None:
            raise ValueError("augment.small_views.resized_crop.size is missing: set the side of the small views")
        if self.total_views > MAX_VIEWS:
            small = " with its small ones" if self.small_views else ""
            raise ValueError(f"augment.views is {self.total_views}{small}, but must be at most {MAX_VIEWS}")
        return self

    @property
    def total_views(self) -> int:
        """Number of views of a sample, small ones included."""
        return self.views + (self.small_views.count if self.small_views else 0)

    def of_scenes(self) -> list[str]:
        """Names of what takes pixels near by in any view, for which there must be a scene."""
        used = {name for view in range(self.total_views) for name in self.of_view(view)}
        shift = [] if self.center_shift is None else ["center_shift"]
        return shift + [name for name, section in SECTIONS.items() if name in used and issubclass(section, Near)]

    def of_view(self, view: int) -> dict[str, dict[str, Any]]:
        """The operations of a view, small ones numbered after the others: name → arguments."""
        names = set(SECTIONS)
        given = {name: arguments for name, arguments in self.model_dump(include=names).items() if arguments is not None}
        changes = [override for override in self.overrides if view in override.views]
        for change in [*changes, *([self.small_views] if self.small_views and view >= self.views else [])]:
            for name, arguments in change.model_dump(include=names).items():
                if arguments is None:
                    given.pop(name, None)
                else:
                    defaults = getattr(change, name).model_dump() if name not in given else given[name]
                    given[name] = {**defaults, **arguments}
        return given


def _set_part(value: Any, dumped: Any) -> Any:
    """Of a section, the keys that were set."""
    if not isinstance(value, Section):
        return dumped
    return {key: part for key, part in dumped.items() if key in value.model_fields_set}
