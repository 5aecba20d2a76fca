"""What a recipe says about hyperspectral scenes: one section a source."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simclr.recipe.data import Data, Preprocessing, required_path
from simclr.recipe.named_files import NamedFile
from simclr.recipe.section import MOST_CHANNELS, ClassNumber, Odd, Side

Band = Annotated[int, Field(ge=0, lt=MOST_CHANNELS)]


class SceneData(Data):
    """A scene, of whatever source: its samples are the patches around its pixels."""

    patch_size: Odd = Field(9, description="side of a patch in pixels, odd")
    pool: Side = Field(1, description="side of the cells that a patch is averaged over")
    spectrum: Literal["kept", "seen"] | None = Field(
        None,
        description="with data.whiten, the encoder also gets each pixel's spectrum, as it is and of unit length; kept: "
        "for h alone, views are of components; seen: views are of spectra",
    )
    wavelengths: list[float] | None = Field(
        None, description="of the bands in nm, or [first, last]; by default those that the file holds, if any"
    )
    bad_bands: list[Band | tuple[Band, Band]] = Field(
        [], description="numbers from 0, or ranges [first, last], of bands held at 0, which no operation touches"
    )

    @property
    def views_of_components(self) -> bool:
        return self.spectrum == "kept"

    @model_validator(mode="after")
    def _check(self) -> SceneData:
        if self.patch_size % self.pool:
            raise ValueError(f"data.pool is {self.pool}, but must divide data.patch_size={self.patch_size}")
        return self

    def preprocessing(self, side: int) -> Preprocessing:
        return Preprocessing(
            self.normalize, self.whiten, self.mean, self.std, pool=self.pool, spectrum=self.spectrum is not None
        )


class SceneFileData(SceneData):
    """A scene out of a file."""

    source: Literal["scene"] = "scene"
    path: str | None = Field(None, description=".mat, .npy or .npz file that holds the cube")
    name: str | None = Field(None, description="a name for reports")
    cube_key: str | None = Field(None, description="name of the cube in a .mat or .npz; STRUCT.FIELD in a struct")
    layout: Literal["auto", "HWC", "CHW", "HCW"] = Field(
        "auto", description="order of the cube's axes: rows (H), columns (W), bands (C); by default HWC, if it fits"
    )
    no_data: float | None = Field(None, description="number that a pixel holds where nothing was measured")
    ground_truth: str | None = Field(None, description="file with the ground truth")
    ground_truth_key: str | None = Field(None, description="name of the ground truth in a .mat or .npz")
    unlabelled: ClassNumber | list[ClassNumber] | None = Field(
        None, description="numbers that mean unlabelled, beside the negative ones; by default 0 where there are none"
    )
    class_names: list[str] = Field([], description="names of the classes, by ascending number")

    def named_files(self) -> list[NamedFile]:
        path = required_path(self, self.path, "the file that holds the cube")
        given = {"path": path, "ground_truth": self.ground_truth}
        return [NamedFile(f"data.{key}", value, "file", "a .mat, .npy or .npz file") for key, value in given.items()]


class IndianPinesData(SceneData):
    """The scene that a dependency ships."""

    source: Literal["indian-pines"] = "indian-pines"
