"""What a recipe may say about data."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from simclr.recipe.section import Odd, Probability, Section

SourceName = Literal["indian-pines", "scene", "image-folder", "torchvision", "arrays", "digits"]
SOURCES: tuple[str, ...] = get_args(SourceName)
SCENES = ("scene", "indian-pines")
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
    def _check(self) -> Data:
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
