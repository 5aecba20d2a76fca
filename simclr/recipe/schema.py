"""What a recipe may say: every key, its type, its range and its default, in one place."""

import json
from typing import Annotated, Literal

from pydantic import Field, model_validator

from simclr.recipe.augment import Augment
from simclr.recipe.choice import Choice
from simclr.recipe.data import Data
from simclr.recipe.scenes import SceneData
from simclr.recipe.section import MOST_CHANNELS, MOST_EPOCHS, MOST_IMAGES, Section, Steps


class Encoder(Choice):
    """The base encoder f."""

    name: str = Field(
        "resnet18",
        description="resnet8 to resnet152, pyramid, pyramid2, spectral_spatial, timm:NAME, or one of your own: "
        "see simclr/models/registry.py",
    )
    stem: Literal["imagenet", "small"] = Field("imagenet", description="ResNets; small: 3x3 without max-pool")
    width: Annotated[int, Field(ge=1, le=512)] = Field(64, description="channels of the first stage")


class Head(Section):
    """The projection head g."""

    layers: Literal[2, 3] = 2
    hidden_dim: Annotated[int, Field(ge=1, le=MOST_CHANNELS)] | None = Field(
        None, description="by default the encoder's feature_dim"
    )
    out_dim: Annotated[int, Field(ge=2, le=MOST_CHANNELS)] = 128


class Loss(Choice):
    """What the projections are trained by: NT-Xent, or a loss of one's own, whose arguments are the options."""

    name: str = Field("nt-xent", description="or one of your own: see simclr/losses/registry.py")
    temperature: Annotated[float, Field(ge=0.002)] = Field(0.5, description="of a loss that has one")
    decoupled: bool = Field(False, description="NT-Xent: leave positives out of the denominator (DCL)")
    negative_distance: Annotated[int, Field(ge=1, le=1 << 20)] | None = Field(
        None,
        description="NT-Xent of scenes: only pixels so far apart, in rows or columns, are negatives of each other; "
        "patch_size leaves out patches that overlap",
    )

    def describe(self) -> str:
        """The loss and what is set of it, in a line."""
        said = {key: value for key, value in self.model_dump().items() if key not in ("name", "options")}
        if self.name == "nt-xent":
            words = [f"{key}={value}" for key, value in said.items() if value not in (None, False)]
        else:
            words = [f"{key}={value}" for key, value in self.options.items()]
        return ", ".join([self.name, *words])

    @model_validator(mode="after")
    def _check(self) -> "Loss":
        own = {key: field.default for key, field in Loss.model_fields.items() if key not in Choice.model_fields}
        if self.name == "nt-xent":
            for option in self.options:
                keys = " or ".join(f"loss.{key}" for key in own)
                raise ValueError(f"loss.options.{option} is no argument of nt-xent: set {keys}")
            return self
        for key, default in own.items():
            value = getattr(self, key)
            if value != default and key != "temperature":  # which other losses may have, too
                raise ValueError(
                    f"loss.{key} is {json.dumps(value)}, but only nt-xent reads it, and loss.name is {self.name}: "
                    f"leave it out, or set loss.{key}={json.dumps(default)}"
                )
        return self


class Optimisation(Section):
    """What every kind of training sets. One step is one global batch, whatever the number of processes."""

    batch_size: Annotated[int, Field(ge=2, le=MOST_IMAGES)] = Field(
        512, description="images of a step, over all processes"
    )
    epochs: Annotated[int, Field(ge=1, le=MOST_EPOCHS)] = 100
    max_steps: Steps | None = Field(None, description="stop there; the schedule ends there too")
    optimizer: Literal["lars", "sgd", "adamw"] = "lars"
    lr: Annotated[float, Field(gt=0, le=1e30)] = 0.3
    lr_scaling: Literal["none", "linear", "sqrt"] = Field(
        "none", description="linear: lr·batch_size/256; sqrt: lr·√batch_size"
    )
    weight_decay: Annotated[float, Field(ge=0)] = 1e-6
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="LARS and SGD; β1 of AdamW")
    warmup_epochs: Annotated[float, Field(ge=0, le=MOST_EPOCHS)] = 10
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    skip_nonfinite: Annotated[int, Field(ge=0, le=1000)] = Field(
        0,
        description="steps in a row that are passed over where loss or gradients are NaN or infinite; 0: the run ends",
    )
    checkpoint_every: Steps | None = Field(
        None, description="steps between run states; by default an epoch, or a tenth of the run when that is longer"
    )
    checkpoint_minutes: Annotated[float, Field(gt=0, le=1e6)] = Field(
        10, description="minutes after which a run state is written at the latest"
    )
    checkpoint_keep: Annotated[int, Field(ge=1, le=1000)] = Field(2, description="the last run states, which are kept")
    checkpoint_keep_every: Steps | None = Field(
        None, description="run states whose step is a multiple of it are kept as well"
    )


class Train(Optimisation):
    """Optimisation of a pretraining."""

    micro_batch: Annotated[int, Field(ge=1, le=MOST_IMAGES)] | None = Field(
        None,
        description="images (with all their views) that a process passes through the network at once; by default its "
        "whole share of batch_size. Smaller: gradient caching, the same gradient in less memory for one more forward "
        "pass; but BatchNorm then normalises each micro batch by itself",
    )
    patience: Annotated[int, Field(ge=1, le=MOST_EPOCHS)] | None = Field(
        None, description="with monitor.held_out: stop after so many looks without a better verdict"
    )


class Monitor(Section):
    """What is measured while the run goes on; nothing but the verdict without labels ever selects."""

    every: Steps = Field(default=50, description="steps between looks at the health of z and h")
    knn: bool = Field(default=True, description="leave-one-out kNN on a tenth of the labels, if any")
    held_out: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0,
        description="share of the samples that is not learned from: on these a verdict without labels compares h with "
        "untrained baselines, and the encoder with the best verdict is kept",
    )


class Log(Section):
    """Where the numbers go besides metrics.jsonl."""

    trackers: list[Literal["wandb", "tensorboard"]] = Field([], description="by their names in accelerate")
    project: str = "simclr"


class Recipe(Section):
    """One experiment."""

    description: str = ""
    choose: Literal["scene", "images"] | None = Field(
        None, description="values that are not given are chosen by a look at the data, never at labels"
    )
    chosen: list[str] = Field([], description="what was chosen for this data, and why; a run writes it")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    data: Data
    augment: Augment = Augment()
    encoder: Encoder = Encoder()
    head: Head = Head()
    loss: Loss = Loss()
    train: Train = Train()
    monitor: Monitor = Monitor()
    log: Log = Log()

    @model_validator(mode="after")
    def _check(self) -> "Recipe":
        check_no_neighbours(self.augment, self.data)
        return self


def check_no_neighbours(augment: Augment, data: Data) -> None:
    """Raise a ValueError if views take pixels near by, and there is no scene."""
    for name in () if isinstance(data, SceneData) else augment.of_scenes():
        raise ValueError(
            f"augment.{name} takes pixels near by in a scene, but data.source is {data.source}: leave it out"
        )
