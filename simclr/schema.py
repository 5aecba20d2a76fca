"""What a recipe may say: every key, its type, its range and its default, in one place."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Probability = Annotated[float, Field(ge=0, le=1)]
Range = tuple[float, float]


class Section(BaseModel):
    """What all parts of a recipe share: no unknown keys, no silent conversions, no changes afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Data(Section):
    """Where the samples come from and how they are brought into the encoder's units."""

    source: Literal["indian-pines", "scene", "image-folder", "torchvision", "arrays", "digits"]
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
    patch_size: Annotated[int, Field(ge=1)] = Field(9, description="scene: side of a patch in pixels, odd")
    pool: Annotated[int, Field(ge=1)] = Field(1, description="scene: side of the cells that a patch is averaged over")
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
    max_damaged: Probability = Field(0.01, description="share of unreadable images that is tolerated")

    @model_validator(mode="after")
    def _check(self) -> "Data":
        if self.patch_size % 2 == 0:
            raise ValueError(f"data.patch_size is {self.patch_size}, but a patch has a centre pixel: use an odd number")
        if self.patch_size % self.pool:
            raise ValueError(f"data.pool is {self.pool}, but must divide data.patch_size={self.patch_size}")
        return self


class ResizedCrop(Section):
    size: Annotated[int, Field(ge=1)] | None = Field(None, description="side of the view; by default that of the data")
    scale: Range = (0.08, 1.0)
    ratio: Range = (0.75, 4 / 3)


class CenterShift(Section):
    """Scenes: the first view lies on its pixel, every other one on a pixel near it."""

    shift: Annotated[int, Field(ge=1)] = Field(description="greatest offset in pixels in each direction")
    candidates: Annotated[int, Field(ge=1, le=64)] = Field(1, description="the most similar of so many is taken")
    window: Annotated[int, Field(ge=1)] = Field(5, description="side of the square averaged for the comparison, odd")

    @model_validator(mode="after")
    def _check(self) -> "CenterShift":
        if self.window % 2 == 0:
            raise ValueError(f"augment.center_shift.window is {self.window}, but has a centre pixel: use an odd number")
        return self


class Flip(Section):
    p: Probability = 0.5


class Rotation90(Section):
    p: Probability = 1.0


class Radiation(Section):
    alpha: Range = (0.9, 1.1)
    beta: Annotated[float, Field(ge=0)] = 0.04
    p: Probability = 1.0


class SpectralJitter(Section):
    gain: Annotated[float, Field(ge=0)] = 0.1
    offset: Annotated[float, Field(ge=0)] = 0.1
    order: Annotated[int, Field(ge=0)] = 3
    p: Probability = 0.8


class BandDropout(Section):
    fraction: Probability = 0.1
    window: Annotated[int, Field(ge=0)] = 0
    p: Probability = 0.5


class Noise(Section):
    sd: Annotated[float, Field(ge=0)] = 0.05
    p: Probability = 0.5


class Cutout(Section):
    scale: Range = (0.02, 0.3)
    p: Probability = 0.5


class ColorJitter(Section):
    brightness: Annotated[float, Field(ge=0)] = 0.8
    contrast: Annotated[float, Field(ge=0)] = 0.8
    saturation: Annotated[float, Field(ge=0)] = 0.8
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    p: Probability = 0.8


class Grayscale(Section):
    p: Probability = 0.2


class Blur(Section):
    kernel_size: Annotated[int, Field(ge=1)] = 23
    sigma: Range = (0.1, 2.0)
    p: Probability = 0.5


class Solarize(Section):
    threshold: float = 0.5
    p: Probability = 0.2


class Augment(Section):
    """The operations of a view, in the order in which they are applied (cutout last); null leaves one out."""

    views: Annotated[int, Field(ge=2)] = 2
    center_shift: CenterShift | None = None
    resized_crop: ResizedCrop | None = None
    horizontal_flip: Flip | None = None
    vertical_flip: Flip | None = None
    rotation90: Rotation90 | None = None
    radiation: Radiation | None = None
    spectral_jitter: SpectralJitter | None = None
    band_dropout: BandDropout | None = None
    noise: Noise | None = None
    cutout: Cutout | None = None
    color_jitter: ColorJitter | None = None
    grayscale: Grayscale | None = None
    blur: Blur | None = None
    solarize: Solarize | None = None


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

    trackers: list[Literal["wandb", "tensorboard"]] = []
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
