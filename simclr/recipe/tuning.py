"""What a recipe of fine-tuning may say: every key that pretraining has not, or has another default for."""

import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, create_model, model_validator
from pydantic_core import PydanticCustomError

from simclr.errors import InputError
from simclr.recipe.augment import Augment
from simclr.recipe.choice import Choice, PlainValue, plain_options
from simclr.recipe.complaint import of_the_target
from simclr.recipe.data import Data
from simclr.recipe.named_files import NamedFile
from simclr.recipe.schema import Encoder, Log, Optimisation, check_no_neighbours
from simclr.recipe.section import MOST_CHANNELS, MOST_EPOCHS, MOST_IMAGES, Section, Steps


def _is_terms(terms: Any) -> Any:
    if not isinstance(terms, dict) or not terms:
        raise PydanticCustomError("terms", "must be terms and their arguments, such as {one}", {"one": "{softmax: {}}"})
    return terms


Arguments = Annotated[dict[str, PlainValue], BeforeValidator(plain_options)]
Terms = Annotated[dict[str, Arguments | None], BeforeValidator(_is_terms)]


class System(Choice):
    """What learns: an encoder under an objective, unless a name says otherwise; its own arguments are the options."""

    name: str = Field("plain", description="see simclr/train/systems.py")


class Embedding(Section):
    """A linear layer behind the encoder, whose output is then what the encoder file gives."""

    dim: Annotated[int, Field(ge=1, le=MOST_CHANNELS)] = 128
    normalize: bool = Field(True, description="embeddings of length 1")


class Labels(Section):
    """Which labels are looked at: all of them, unless a few of each class are enough."""

    shots: Annotated[int, Field(ge=1, le=MOST_IMAGES)] | None = Field(None, description="so many of each class")
    share: Annotated[float, Field(gt=0, le=1)] | None = Field(None, description="this share of each class")
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = Field(None, description="of the draw; by default the run's")
    unknown: list[Annotated[int, Field(ge=-(2**63), lt=2**63)] | str] = Field(
        [], description="classes, by name or number, none of whose samples is looked at, beside those of data.unknown"
    )

    @model_validator(mode="after")
    def _check(self) -> "Labels":
        if self.shots is not None and self.share is not None:
            raise ValueError(f"labels.shots is {self.shots} and labels.share is {self.share:g}: set one of the two")
        return self


class TuningTrain(Optimisation):
    """Optimisation of a fine-tuning."""

    batch_size: Annotated[int, Field(ge=2, le=MOST_IMAGES)] = Field(
        64, description="images of a step, over all processes; all where there are fewer"
    )
    classes: Annotated[int, Field(ge=2, le=MOST_IMAGES)] | None = Field(
        None,
        description="draw batches of so many classes and per_class samples of each; by default as many as batch_size "
        "holds where the objective compares samples, else batches are drawn from all",
    )
    per_class: Annotated[int, Field(ge=2, le=MOST_IMAGES)] = Field(4, description="samples of a class in such a batch")
    epochs: Annotated[int, Field(ge=1, le=MOST_EPOCHS)] = 20
    optimizer: Literal["lars", "sgd", "adamw"] = "adamw"
    lr: Annotated[float, Field(gt=0, le=1e30)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    warmup_epochs: Annotated[float, Field(ge=0, le=MOST_EPOCHS)] = 1


class TuningMonitor(Section):
    """What is measured while the run goes on."""

    every: Steps = Field(default=50, description="steps between looks at the embeddings and the objective's terms")
    held_out: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0,
        description="share of the labels of each class that is not learned from: at every look these samples are "
        "classified by their nearest ones of those that are. Of a scene they lie among these, and do well too easily",
    )


_Start = create_model(
    "_Start",
    __base__=Section,
    __module__=__name__,
    **{  # type: ignore[call-overload]
        "from": (
            str | None,
            Field(None, description="a run or an encoder file to start from; null: random weights"),
        )
    },
)


class TuningRecipe(_Start):
    """One fine-tuning. ``from`` is a word of Python: read it as ``start``."""

    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    data: Data
    target: Data | None = Field(
        None,
        description="a section like data: samples that the encoder is to be as good for, whose labels are never looked "
        "at; for terms of the objective that compare the two",
    )
    augment: Augment = Augment()
    encoder: Encoder = Encoder()
    embedding: Embedding | None = None
    objective: Terms = Field(
        description="terms and their arguments, among them the weight of each; null leaves a term out: see "
        "simclr/losses/objectives.py",
    )
    system: System = System()
    labels: Labels = Labels()
    train: TuningTrain = TuningTrain()
    monitor: TuningMonitor = TuningMonitor()
    log: Log = Log()

    @property
    def start(self) -> str | None:
        """A run or an encoder file to start from; None for random weights."""
        start: str | None = getattr(self, "from")
        return start

    @property
    def terms(self) -> dict[str, dict[str, PlainValue]]:
        """Arguments of each term of the objective that is not left out."""
        return {name: given for name, given in self.objective.items() if given is not None}

    @property
    def own_statistics(self) -> bool:
        """Whether the target has a preprocessing of its own, of its means and spreads."""
        return self.target is not None and getattr(self.target, "statistics", "data") == "own"

    @property
    def fetches(self) -> bool:
        """As of `Data.fetches`, of data or target."""
        return self.data.fetches or (self.target is not None and self.target.fetches)

    def named_files(self) -> list[NamedFile]:
        """The files and folders that have to be there, as of `Data.named_files`."""
        try:
            of_target = [] if self.target is None else self.target.named_files()
        except InputError as error:
            raise InputError(of_the_target(str(error))) from None
        said = [file._replace(key=of_the_target(file.key), what=of_the_target(file.what)) for file in of_target]
        return [*self.data.named_files(), *said]

    @model_validator(mode="after")
    def _check(self) -> "TuningRecipe":
        check_no_neighbours(self.augment, self.data)
        if not self.terms:
            raise ValueError("objective has no term that is not null: set one, such as objective.softmax={}")
        if self.target is not None:
            _check_target(self.target, self.data)
        return self


def _check_target(target: Data, data: Data) -> None:
    """Raise a ValueError where a target asks for a preprocessing of its own, which it does not get."""
    for key in ("normalize", "whiten", "mean", "std", "pool", "spectrum", "unknown"):
        given = getattr(target, key, None)
        if key in target.model_fields_set and given != getattr(data, key, None):
            raise ValueError(
                f"target.{key} is {json.dumps(given)}, but what is done to data is done to the target: leave it out"
            )
