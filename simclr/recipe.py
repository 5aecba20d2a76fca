"""The recipe: a YAML file that says everything about a run, checked once, here.

`read_recipe("indian-pines", ["train.epochs=5"])` finds the file (a path, or the name of a shipped recipe), applies
the overrides and returns a frozen `Recipe`. Whatever is wrong is one `InputError` that names the key.
"""

import difflib
import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from simclr.errors import InputError
from simclr.files import write_text

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
    """The operations of a view, in the order in which they are applied; null leaves one out."""

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
    temperature: Annotated[float, Field(gt=0)] = 0.5


class Train(Section):
    """Optimisation. One step is one global batch, whatever the number of processes."""

    batch_size: Annotated[int, Field(ge=2)] = Field(512, description="images of a step, over all processes")
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


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads 1e-6 as text; everybody who writes a recipe means a number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
)


def recipe_folder() -> Path:
    """The folder of the shipped recipes: inside the installed package, or beside it in a checkout."""
    installed = Path(__file__).parent / "recipes"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "recipes"


def shipped_recipes() -> list[str]:
    """Names of the shipped recipes, sorted."""
    return sorted(path.stem for path in recipe_folder().glob("*.yaml"))


def read_recipe(recipe: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read, override and check a recipe.

    Args:
        recipe: path of a YAML file, or the name of a shipped recipe.
        overrides: ``KEY=VALUE`` with a dotted key; the value is read as YAML (``null`` switches an operation off).

    Raises:
        InputError: no such recipe, not YAML, an unknown key (the nearest one is named), a wrong type or range.
    """
    return check_recipe(apply_overrides(_load(_find(recipe)), overrides))


def check_recipe(tree: Any) -> Recipe:
    """Turn a nested dict into a `Recipe`.

    Raises:
        InputError: names the first key that is wrong, its value and what is allowed.
    """
    if not isinstance(tree, dict):
        raise InputError(f"a recipe is a mapping of sections ({', '.join(Recipe.model_fields)}), but this is {tree!r}")
    try:
        # Through JSON, because pydantic's strict mode then still takes a list for a tuple and an integer for a float.
        return Recipe.model_validate_json(json.dumps(tree, default=str))
    except ValidationError as error:
        raise InputError(_one_line(error)) from None


def apply_overrides(tree: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Set dotted keys in a copy of a nested dict.

    Raises:
        InputError: an override without ``=``, or one that reaches into something that is not a section.
    """
    tree = json.loads(json.dumps(tree, default=str))
    for override in overrides:
        key, equals, text = override.partition("=")
        parts = key.strip().split(".")
        if not equals or not all(parts):
            raise InputError(f"the override {override!r} is not KEY=VALUE: write, for example, train.epochs=5")
        try:
            value = yaml.load(text, _Loader)
        except yaml.YAMLError:
            raise InputError(f"the value of {key} is {text!r}, which is not YAML: quote it") from None
        node = tree
        for depth, part in enumerate(parts[:-1]):
            if node.get(part) is None:
                node[part] = {}
            node = node[part]
            if not isinstance(node, dict):
                raise InputError(f"{'.'.join(parts[: depth + 1])} is {node!r} and has no key {parts[depth + 1]!r}")
        node[parts[-1]] = value
    return tree


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe as YAML that `read_recipe` reads again to the same recipe; atomic."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
    write_text(path, text)


def _find(recipe: str | Path) -> Path:
    path = Path(recipe)
    if path.is_file():
        return path
    shipped = recipe_folder() / f"{recipe}.yaml"
    if path.name == str(recipe) and shipped.is_file():
        return shipped
    names = shipped_recipes()
    near = difflib.get_close_matches(str(recipe), names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InputError(f"there is no recipe {str(recipe)!r}: give a YAML file or one of {', '.join(names)}{hint}")


def _load(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        why = str(getattr(error, "problem", None) or error).splitlines()[0]
        raise InputError(f"{path} is not readable as YAML{where}: {why}") from None


def _dotted_keys(model: type[BaseModel] = Recipe, prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        for candidate in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                yield from _dotted_keys(candidate, f"{prefix}{name}.")


def _one_line(error: ValidationError) -> str:
    problems = error.errors()
    # An unknown key explains most other complaints (a missing one, say), so it comes first.
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    key = ".".join(str(part) for part in problem["loc"])
    given = problem["input"]
    if problem["type"] == "extra_forbidden":
        return f"unknown key {key}: did you mean {_nearest(key)}?"
    if problem["type"] == "missing":
        return f"{key} is missing: the recipe must set it"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    message = problem["msg"].replace("Input should be", "must be", 1)
    shown = "nan" if isinstance(given, float) and math.isnan(given) else json.dumps(given)
    return f"{key} is {shown}, but {message[0].lower()}{message[1:]}"


def _nearest(key: str) -> str:
    known = list(_dotted_keys())
    leaf = key.rpartition(".")[2]
    by_leaf = {name.rpartition(".")[2]: name for name in reversed(known)}
    if leaf in by_leaf:
        return by_leaf[leaf]
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return near[0]
    near = difflib.get_close_matches(leaf, by_leaf, n=1, cutoff=0.0)
    return by_leaf[near[0]] if near else known[0]
