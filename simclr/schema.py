"""What a recipe may say: every key, its type, its range and its default, in one place."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from simclr.augment_schema import Augment
from simclr.section import Odd, Probability, Section

SourceName = Literal["indian-pines", "scene", "image-folder", "torchvision", "arrays", "digits"]
SOURCES: tuple[str, ...] = get_args(SourceName)
SCENES = ("scene", "indian-pines")


class Data(Section):
    """Where the samples come from and how they are brought into the encoder's units."""

    source: SourceName
    path: str | None = Field(None, description="folder or file; for torchvision the root")
    test_path: str | None = Field(None, description="image-folder, arrays: the test part, when it lies elsewhere")
    name: str | None = Field(None, description="torchvision: class name, e.g. CIFAR10; else a name for reports")
    split: str | None = Field(None, description="torchvision: another split to train on than the usual one")
    download: bool = Field(False, description="torchvision: download what is missing")
    image_size: Annotated[int, Field(ge=4)] | None = Field(None, description="resize and centre-crop on reading")
    eval_size: Annotated[int, Field(ge=4)] | None = Field(
        None, description="photographs: side at which they are embedded; by default their own, as a crop magnifies"
    )
    in_chans: Literal[1, 3] | None = Field(None, description="photographs: read as grey (1) or RGB (3)")
    key: str | None = Field(None, description="arrays: name of the array in an .npz")
    layout: Literal["auto", "NHW", "NHWC", "NCHW"] = Field("auto", description="arrays: order of the axes")
    labels: str | None = Field(None, description="arrays: file with the labels")
    test_labels: str | None = Field(None, description="arrays: file with the labels of the test part")
    labels_key: str | None = Field(None, description="arrays: name of the labels in an .npz")
    cube_key: str | None = Field(None, description="scene: name of the cube in a .mat")
    ground_truth: str | None = Field(None, description="scene: file with the ground truth; 0 = unlabelled")
    ground_truth_key: str | None = Field(None, description="scene: name of the ground truth in a .mat")
    class_names: list[str] = Field([], description="scene: names of the classes, by ascending number")
    patch_size: Odd = Field(9, description="scene: side of a patch in pixels, odd")
    pool: Annotated[int, Field(ge=1)] = Field(1, description="scene: side of the cells that a patch is averaged over")
    wavelengths: list[float] | None = Field(
        None, description="scene: of the bands in nm, or [first, last]; by default those that the file holds, if any"
    )
    bad_bands: list[int | tuple[int, int]] = Field(
        [], description="scene: numbers from 0, or ranges [first, last], of bands held at 0, which no operation touches"
    )
    normalize: Literal["auto", "unit", "standardize", "minmax", "none"] = Field(
        "auto", description="unit: integers to [0,1]; standardize: z-score per band; auto: unit for uint8, else z-score"
    )
    whiten: Annotated[int, Field(ge=1)] | None = Field(None, description="keep this many whitened principal components")
    mean: list[float] | None = Field(None, description="per channel, in units of [0,1]; fitted when not given")
    std: list[Annotated[float, Field(gt=0)]] | None = None
    feed: Literal["auto", "resident", "stream"] = "auto"
    resident_limit: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="GiB that a resident source may take; by default 4, or a quarter of a GPU's free memory",
    )
    workers: Annotated[int, Field(ge=0)] | None = Field(None, description="reading processes; by default one a core")
    unknown: list[int | str] = Field(
        [], description="classes, by name or number, that few-shot evaluation treats as unknown; pretraining ignores it"
    )
    max_damaged: Probability = Field(0.01, description="share of unreadable images that is tolerated")

    @model_validator(mode="after")
    def _check(self) -> "Data":
        for key, field in type(self).model_fields.items():
            sources = self.sources_of(key)
            # Run folders write out all keys, so a default says nothing.
            if self.source not in sources and getattr(self, key) != field.default:
                raise ValueError(
                    f"data.{key} belongs to data.source={' or '.join(sources)}, but data.source is {self.source}: "
                    f"leave it out"
                )
        if self.patch_size % self.pool:
            raise ValueError(f"data.pool is {self.pool}, but must divide data.patch_size={self.patch_size}")
        return self

    @classmethod
    def sources_of(cls, key: str) -> tuple[str, ...]:
        """The sources that read a key."""
        return next((sources for keys, sources in _SOURCES_OF.items() if key in keys.split()), SOURCES)


# Which sources read which keys; all sources read the others.
_SOURCES_OF = {
    "path": ("image-folder", "torchvision", "arrays", "scene"),
    "name": ("image-folder", "torchvision", "arrays", "scene"),
    "test_path": ("image-folder", "arrays"),
    "split download": ("torchvision",),
    "image_size in_chans feed resident_limit max_damaged": ("image-folder", "torchvision"),
    "eval_size": ("image-folder", "torchvision", "arrays", "digits"),
    "key layout labels test_labels labels_key": ("arrays",),
    "cube_key ground_truth ground_truth_key class_names": ("scene",),
    "patch_size pool wavelengths bad_bands": SCENES,
}


class Encoder(Section):
    """The base encoder f."""

    name: str = Field("resnet18", description="resnet8 to resnet152, spectral_spatial, or timm:NAME")
    stem: Literal["imagenet", "small"] = Field("imagenet", description="ResNets; small: 3x3 without max-pool")
    width: Annotated[int, Field(ge=1)] = Field(64, description="channels of the first stage")


class Head(Section):
    """The projection head g."""

    layers: Literal[2, 3] = 2
    hidden_dim: Annotated[int, Field(ge=1)] | None = Field(None, description="by default the encoder's feature_dim")
    out_dim: Annotated[int, Field(ge=2)] = 128


class Loss(Section):
    """NT-Xent."""

    temperature: Annotated[float, Field(ge=0.002)] = 0.5
    decoupled: bool = Field(False, description="leave positives out of the denominator (DCL)")
    negative_distance: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="scenes: only pixels so far apart, in rows or columns, are negatives of each other; patch_size "
        "leaves out patches that overlap",
    )


class Train(Section):
    """Optimisation. One step is one global batch, whatever the number of processes."""

    batch_size: Annotated[int, Field(ge=2)] = Field(512, description="images of a step, over all processes")
    micro_batch: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="images (with all their views) that a process passes through the network at once; by default its "
        "whole share of batch_size. Smaller: gradient caching, the same gradient in less memory for one more forward "
        "pass; but BatchNorm then normalises each micro batch by itself",
    )
    epochs: Annotated[int, Field(ge=1)] = 100
    max_steps: Annotated[int, Field(ge=1)] | None = Field(None, description="stop there; the schedule ends there too")
    optimizer: Literal["lars", "sgd", "adamw"] = "lars"
    lr: Annotated[float, Field(gt=0)] = 0.3
    lr_scaling: Literal["none", "linear", "sqrt"] = Field(
        "none", description="linear: lr·batch_size/256; sqrt: lr·√batch_size"
    )
    weight_decay: Annotated[float, Field(ge=0)] = 1e-6
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="LARS and SGD; β1 of AdamW")
    warmup_epochs: Annotated[float, Field(ge=0)] = 10
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    checkpoint_every: Annotated[int, Field(ge=1)] | None = Field(
        None, description="steps between run states; by default an epoch, or a tenth of the run when that is longer"
    )


class Monitor(Section):
    """What is measured while the run goes on; nothing is ever selected by it."""

    every: Annotated[int, Field(ge=1)] = Field(default=50, description="steps between looks at the health of z and h")
    knn: bool = Field(default=True, description="leave-one-out kNN on a tenth of the labels, if any")


class Log(Section):
    """Where the numbers go besides metrics.jsonl."""

    trackers: list[Literal["wandb", "tensorboard"]] = Field([], description="by their names in accelerate")
    project: str = "simclr"


class Recipe(Section):
    """One experiment."""

    description: str = ""
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
        if self.data.source not in SCENES:
            views = (self.augment.of_view(view) for view in range(self.augment.total_views))
            for name, used in (
                ("center_shift", self.augment.center_shift is not None),
                ("neighbour_mixture", any("neighbour_mixture" in view for view in views)),
            ):
                if used:
                    raise ValueError(
                        f"augment.{name} takes pixels near by in a scene, but data.source is {self.data.source}: "
                        f"leave it out"
                    )
        return self
