"""What a recipe says about photographs: one section a source."""

from typing import Annotated, Literal

from pydantic import Field

from simclr.errors import InputError
from simclr.recipe.data import Data, Feeding, Preprocessing, required_path
from simclr.recipe.named_files import NamedFile
from simclr.recipe.section import MOST_PIXELS, ClassNumber, Probability


class PhotoData(Data):
    """Photographs, of whatever source."""

    eval_size: Annotated[int, Field(ge=4, le=MOST_PIXELS)] | None = Field(
        None, description="side at which they are embedded; by default their own, as a crop magnifies"
    )

    def preprocessing(self, side: int) -> Preprocessing:
        return super().preprocessing(self.eval_size or side)


class PhotoFileData(PhotoData):
    """Photographs that are decoded one by one."""

    path: str | None = Field(None, description="folder of the images; for torchvision the root")
    name: str | None = Field(None, description="torchvision: class name, e.g. CIFAR10; else a name for reports")
    image_size: Annotated[int, Field(ge=4, le=MOST_PIXELS)] | None = Field(
        None, description="resize and centre-crop on reading"
    )
    in_chans: Literal[1, 3] | None = Field(None, description="read as grey (1) or RGB (3)")
    feed: Literal["auto", "resident", "stream"] = "auto"
    resident_limit: Annotated[float, Field(gt=0, le=1 << 20)] | None = Field(
        None, description="GiB that a resident source may take; by default 4, or a quarter of a GPU's free memory"
    )
    max_damaged: Probability = Field(0.01, description="share of unreadable images that is tolerated")

    def feeding(self) -> Feeding:
        return Feeding(self.feed, None if self.resident_limit is None else int(self.resident_limit * 2**30))


class ImageFolderData(PhotoFileData):
    """A folder of image files, with or without a folder for each class."""

    source: Literal["image-folder"] = "image-folder"
    test_path: str | None = Field(None, description="the test part, when it lies elsewhere")

    def named_files(self) -> list[NamedFile]:
        what = "a folder of images"
        given = {"path": required_path(self, self.path, what), "test_path": self.test_path}
        return [NamedFile(f"data.{key}", value, "folder", what) for key, value in given.items()]


class TorchvisionData(PhotoFileData):
    """A data set of torchvision."""

    source: Literal["torchvision"] = "torchvision"
    split: str | None = Field(None, description="another split to train on than the usual one")
    download: bool = Field(False, description="download what is missing")

    @property
    def fetches(self) -> bool:
        return self.download

    def named_files(self) -> list[NamedFile]:
        if self.name is None:
            raise InputError("data.name is not set: name the torchvision data set, such as data.name=CIFAR10.")
        what = f"the folder that holds {self.name}, or set data.download=true where torchvision can fetch it"
        return [] if self.download else [NamedFile("data.path", self.path, "folder", what)]


class ArraysData(PhotoData):
    """Images in one array of a .npy or .npz file."""

    source: Literal["arrays"] = "arrays"
    path: str | None = Field(None, description=".npy or .npz file")
    name: str | None = Field(None, description="a name for reports")
    test_path: str | None = Field(None, description="file with the test part")
    key: str | None = Field(None, description="name of the array in an .npz")
    layout: Literal["auto", "NHW", "NHWC", "NCHW"] = Field("auto", description="order of the axes")
    labels: str | None = Field(None, description="file with the labels")
    test_labels: str | None = Field(None, description="file with the labels of the test part")
    labels_key: str | None = Field(None, description="name of the labels in an .npz")
    unlabelled: ClassNumber | list[ClassNumber] | None = Field(
        None, description="numbers that mean unlabelled, beside the negative ones"
    )

    def named_files(self) -> list[NamedFile]:
        what = "a .npy or .npz file"
        path = required_path(self, self.path, what)
        if self.test_labels is not None and self.test_path is None:
            raise InputError("data.test_labels belongs to data.test_path=FILE, which is missing: give both, or neither")
        given = {"path": path, "test_path": self.test_path, "labels": self.labels, "test_labels": self.test_labels}
        return [NamedFile(f"data.{key}", value, "file", what) for key, value in given.items()]


class DigitsData(PhotoData):
    """The digits that scikit-learn ships."""

    source: Literal["digits"] = "digits"
