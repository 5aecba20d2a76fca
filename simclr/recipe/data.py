"""What a recipe says about data: the keys that every source reads, and whose section a recipe's data is."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, ConfigDict, Field, create_model
from pydantic_core import PydanticCustomError

from simclr.errors import InputError
from simclr.recipe.named_files import NamedFile
from simclr.recipe.section import MOST_CHANNELS, Section
from simclr.recipe.sources import SOURCES
from simclr.registry import load


class Preprocessing(NamedTuple):
    """What `simclr.data.preprocess.fit_preprocess` is asked for, in the words of its arguments."""

    normalize: str
    whiten: int | Literal["auto"] | None
    mean: list[float] | None
    std: list[float] | None
    pool: int = 1
    input_size: int | None = None
    spectrum: bool = False


class Feeding(NamedTuple):
    """Where samples that are read when asked for lie during a run.

    Attributes:
        feed: ``resident``: all in one tensor; ``stream``: nowhere; ``auto``: resident if they fit.
        limit: bytes that may be resident with ``auto``; None = 4 GiB on a CPU, a quarter of the free memory on a GPU.
    """

    feed: Literal["auto", "resident", "stream"] = "auto"
    limit: int | None = None


def _known(value: Any) -> Any:
    if isinstance(value, str) and value in SOURCES:
        return value
    *first, last = (f"'{name}'" for name in SOURCES)
    raise PydanticCustomError("source", "must be {names}", {"names": f"{', '.join(first)} or {last}"})


class Data(Section):
    """Where the samples come from and how they are brought into the encoder's units: what every source reads.

    A source's own keys stand in a subclass, see `simclr.recipe.sources`.
    """

    source: Annotated[str, BeforeValidator(_known)]
    normalize: Literal["auto", "unit", "standardize", "minmax", "none"] = Field(
        "auto", description="unit: integers to [0,1]; standardize: z-score per band; auto: unit for uint8, else z-score"
    )
    whiten: Annotated[int, Field(ge=1, le=MOST_CHANNELS)] | Literal["auto"] | None = Field(
        None,
        description="keep this many whitened principal components; auto: of a scene, those that stand above its noise",
    )
    mean: list[float] | None = Field(None, description="per channel, in units of [0,1]; fitted when not given")
    std: list[Annotated[float, Field(gt=0)]] | None = None
    workers: Annotated[int, Field(ge=0, le=1024)] | None = Field(
        None, description="reading processes; by default one a core"
    )
    unknown: list[Annotated[int, Field(ge=-(2**63), lt=2**63)] | str] = Field(
        [], description="classes, by name or number, that few-shot evaluation treats as unknown; pretraining ignores it"
    )

    @property
    def views_of_components(self) -> bool:
        """Whether operations work on the components of ``whiten``, and not on what they are components of."""
        return False

    @property
    def fetches(self) -> bool:
        """Whether opening may download files, which one process then does before the others."""
        return False

    def named_files(self) -> list[NamedFile]:
        """The files and folders that have to be there, as far as they are known before the source is opened.

        Raises:
            InputError: a key is missing that the source does not do without.
        """
        return []

    def feeding(self) -> Feeding:
        """How samples that are read when asked for are kept."""
        return Feeding()

    def preprocessing(self, side: int) -> Preprocessing:
        """The map to the encoder's input that is fitted on the source.

        Args:
            side: the shorter one of a sample, in pixels. Crops magnify what they show, so whole samples are embedded
                at their own size, not at that of the crops (Touvron et al., "Fixing the train-test resolution
                discrepancy", NeurIPS 2019): 4 points on CIFAR-10.
        """
        return Preprocessing(self.normalize, self.whiten, self.mean, self.std, input_size=side)


class AnySource(Data):
    """Data whose source is not known, of which nothing else can be said."""

    model_config = ConfigDict(extra="allow")


def section_of(data: Any) -> type[Data]:
    """The section that the data of a recipe, still unchecked, has to fit; `AnySource` where it names no source."""
    source = data.get("source") if isinstance(data, Mapping) else None
    if not isinstance(source, str) or source not in SOURCES:
        return AnySource
    section: type[Data] = load(SOURCES[source].section)
    return section


@functools.cache
def target_section(section: type[Data]) -> type[Data]:
    """The section of a target of the same source, which may also ask for statistics of its own."""
    field = Field(
        "data",
        description="own: each band is brought to the mean and spread that it has in the data, and the encoder is "
        "written a second time, as encoder-target.safetensors, with this preprocessing",
    )
    statistics: Any = (Literal["data", "own"], field)
    return create_model(section.__name__, __base__=section, __module__=section.__module__, statistics=statistics)


def keys_of_others(section: type[Data]) -> dict[str, dict[str, Any]]:
    """Keys that this package's other sources read and this one does not: key → their names → the key's default.

    A source from elsewhere is not asked: its module is only imported when a recipe names it.
    """
    keys: dict[str, dict[str, Any]] = {}
    for name, kind in SOURCES.items():
        if kind.section.startswith(f"{__package__}."):
            for key, field in load(kind.section).model_fields.items():
                if key not in section.model_fields:
                    keys.setdefault(key, {})[name] = field.default
    return keys


def without_keys_of_others(data: Mapping[str, Any], section: type[Data], called: str = "data") -> dict[str, Any]:
    """Data less the keys of other sources that hold their default: files of earlier versions wrote out all keys.

    Args:
        data: of a recipe, still unchecked.
        section: what it has to fit.
        called: the key of the recipe that holds it.

    Raises:
        InputError: a key of another source holds anything else.
    """
    others = {} if issubclass(section, AnySource) else keys_of_others(section)
    for key, value in data.items():
        if key in others and value not in others[key].values():
            raise InputError(
                f"{called}.{key} belongs to {called}.source={' or '.join(others[key])}, but {called}.source is "
                f"{data['source']}: leave it out"
            )
    return {key: value for key, value in data.items() if key not in others}


def keys_read_by(section: type[Data], data: Mapping[str, Any]) -> dict[str, Any]:
    """What a section reads of the data of another source; all of it where no source is named."""
    return {key: value for key, value in data.items() if section is AnySource or key in section.model_fields}


def required_path(data: Data, path: str | None, what: str) -> str:
    """``data.path`` of a source that does without no path.

    Raises:
        InputError: it is not set; ``what`` says what it should name.
    """
    if path is None:
        raise InputError(f"data.path is not set, but data.source={data.source} needs {what}: set data.path.")
    return path
