"""What a recipe says about photographs: one section a source."""

from typing import Annotated, Literal

from pydantic import Field

from simclr.recipe.data import Data, Feeding, Preprocessing
from simclr.recipe.section import Probability


class PhotoData(Data):
    """Photographs, of whatever source."""

    eval_size: Annotated[int, Field(ge=4)] | None = Field(
        None, description="side at which they are embedded; by default their own, as a crop magnifies"
    )

    def preprocessing(self, side: int) -> Preprocessing:
        return super().preprocessing(self.eval_size or side)


class PhotoFileData(PhotoData):
    """Photographs that are decoded one by one."""

    path: str | None = Field(None, description="folder of the images; for torchvision the root")
    name: str | None = Field(None, description="torchvision: class name, e.g. CIFAR10; else a name for reports")
    image_size: Annotated[int, Field(ge=4)] | None = Field(None, description="resize and centre-crop on reading")
    in_chans: Literal[1, 3] | None = Field(None, description="read as grey (1) or RGB (3)")
    feed: Literal["auto", "resident", "stream"] = "auto"
    resident_limit: Annotated[float, Field(gt=0)] | None = Field(
        None, description="GiB that a resident source may take; by default 4, or a quarter of a GPU's free memory"
    )
    max_damaged: Probability = Field(0.01, description="share of unreadable images that is tolerated")

    def feeding(self) -> Feeding:
        return Feeding(self.feed, None if self.resident_limit is None else int(self.resident_limit * 2**30))


class ImageFolderData(PhotoFileData):
    """A folder of image files, with or without a folder for each class."""

    source: Literal["image-folder"] = "image-folder"
    test_path: str | None = Field(None, description="the test part, when it lies elsewhere")


class TorchvisionData(PhotoFileData):
    """A data set of torchvision."""

    source: Literal["torchvision"] = "torchvision"
    split: str | None = Field(None, description="another split to train on than the usual one")
    download: bool = Field(False, description="download what is missing")

    @property
    def fetches(self) -> bool:
        return self.download


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
    unlabelled: int | list[int] | None = Field(
        None, description="numbers that mean unlabelled, beside the negative ones"
    )


class DigitsData(PhotoData):
    """The digits that scikit-learn ships."""

    source: Literal["digits"] = "digits"
