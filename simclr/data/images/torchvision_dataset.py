"""Any torchvision data set of single images as a source."""

from __future__ import annotations

import difflib
import inspect
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from simclr.data.images.decode import Format, decode, is_deep, is_grey
from simclr.data.images.picture_file import why_not
from simclr.data.source import Source, TensorSource
from simclr.data.stream import StreamSource
from simclr.errors import InputError
from simclr.recipe.images import TorchvisionData

# Values of ``split=`` (or ``image_set=``) in the order they are tried.
_SPLITS = {"train": ("train", "trainval", "train-standard"), "test": ("test", "val", "valid")}


def open_torchvision(data: TorchvisionData, part: str) -> Source | None:
    """One part of the data set that ``data.name`` names."""
    if data.name is None:
        raise InputError("data.name is not set: name the torchvision data set, such as data.name=CIFAR10.")
    return torchvision_source(
        data.name,
        data.path,
        part,
        split=data.split,
        download=data.download,
        image_size=data.image_size,
        in_chans=data.in_chans,
        max_damaged=data.max_damaged,
    )


def torchvision_source(
    name: str,
    root: str | os.PathLike[str] | None,
    part: str = "train",
    *,
    split: str | None = None,
    download: bool = False,
    image_size: int | None = None,
    in_chans: int | None = None,
    max_damaged: float = 0.01,
) -> Source | None:
    """A torchvision data set by its class name: resident where it holds its pixels in one array, else streamed.

    Args:
        name: class name in ``torchvision.datasets``.
        root: folder that holds the data; not needed by FakeData.
        part: "train" or "test", given to the class as ``train=`` or ``split=``.
        split: given as ``split=`` for the training part, where the class has others, such as "train+unlabeled"; for
            both parts where the class takes ``train=`` as well (EMNIST).
        download: whether torchvision may fetch what is missing.
        image_size, in_chans, max_damaged: see :class:`ImageFolder`; the first only of use to streamed sets.

    Returns:
        The source; None for the test part of a set that has only one part.

    Raises:
        InputError: if the name is unknown, or the data is not there.
    """
    made = _construct(name, root, part, split, download)
    if made is None:
        return None
    label = f"{name} ({part})"
    pixels = _pixels(made)
    if pixels is not None and image_size in (None, pixels.shape[2]) and in_chans in (None, pixels.shape[1]):
        return TensorSource(pixels, _labels(made), name=label, class_names=_class_names(made, _labels(made)))
    return TorchvisionStream(made, label, image_size=image_size, in_chans=in_chans, max_damaged=max_damaged)


class TorchvisionStream(StreamSource):
    """A torchvision data set whose items are (PIL image, target), decoded when asked for.

    Args:
        dataset: built without transforms.
        name: what it is called in logs.
        image_size, in_chans, max_damaged: see :class:`ImageFolder`; None takes those of the first image.

    Raises:
        InputError: if the items are not images.
    """

    def __init__(
        self, dataset: Any, name: str, *, image_size: int | None, in_chans: int | None, max_damaged: float = 0.01
    ) -> None:
        self.dataset = dataset
        self.max_damaged = max_damaged
        first = dataset[0]
        image = first[0] if isinstance(first, tuple) else first
        if not isinstance(image, Image.Image):
            raise InputError(f"{name} gives {type(image).__name__} and no images: choose an image data set.")
        if in_chans is None:
            in_chans = 1 if is_grey(image) else 3
        self.format = Format(in_chans, is_deep(image) and in_chans == 1, image_size)
        channels, height, width = decode(image, self.format).shape
        self.sample_shape = (channels, height, width)
        self.sample_dtype = self.format.dtype
        labels = _labels(dataset)
        super().__init__(
            name,
            in_chans,
            labels=labels,
            class_names=_class_names(dataset, labels),
            value_max=self.format.value_max,
        )
        self._check_labels()

    def __len__(self) -> int:
        return len(self.dataset)

    def sample_name(self, i: int) -> str:
        return f"{self.name} sample {i}"

    def read_one(self, i: int) -> Tensor:
        try:
            item = self.dataset[i]
            sample = decode(item[0] if isinstance(item, tuple) else item, self.format)
        except Exception as error:  # Pillow raises a dozen kinds for a broken file
            raise why_not(error, self.sample_name(i), self.sample_name(i)) from error
        if tuple(sample.shape) != self.sample_shape:
            raise InputError(
                f"{self.sample_name(i)} has {sample.shape[2]}x{sample.shape[1]} pixels, but the first one has "
                f"{self.sample_shape[2]}x{self.sample_shape[1]}: set data.image_size to resize them all."
            )
        return sample


def _construct(
    name: str, root: str | os.PathLike[str] | None, part: str, split: str | None, download: bool
) -> Any | None:
    """The data set object, or None if it has no such part."""
    from torchvision import datasets

    generic = (datasets.DatasetFolder, datasets.ImageFolder, datasets.VisionDataset)
    known = [n for n in datasets.__all__ if inspect.isclass(cls := getattr(datasets, n)) and cls not in generic]
    if name not in known:
        near = difflib.get_close_matches(name.lower(), {n.lower(): n for n in known}, n=1, cutoff=0.0)
        nearest = next(n for n in known if n.lower() == near[0])
        raise InputError(f"data.name is {name!r}, which is no torchvision data set: did you mean {nearest}?")
    cls = getattr(datasets, name)
    accepts = _accepted(cls)
    arguments: dict[str, Any] = {}
    if "root" in accepts:
        if root is None:
            raise InputError(f"data.path is not set, but {name} needs the folder that holds it: set data.path.")
        arguments["root"] = Path(root).expanduser()
    if "download" in accepts:
        arguments["download"] = download
    choices: list[dict[str, str]] = [{}]
    part_key = next((k for k in ("split", "image_set") if k in accepts), None)
    if split is not None:
        if part_key is None:
            raise InputError(f"data.split is {split!r}, but {name} has no splits to choose from: remove it.")
        choices = [{part_key: split}]
    elif "train" in accepts and part_key is not None and accepts[part_key].default is inspect.Parameter.empty:
        raise InputError(f"data.split is not set, but {name} needs one: set data.split to a value of its {part_key}=.")
    if "train" not in accepts and part_key is not None and (split is None or part == "test"):
        choices = [{part_key: value} for value in _SPLITS[part]]
    if "train" in accepts:
        arguments["train"] = part == "train"
    elif part == "test" and part_key is None:
        return None
    return _first_that_works(cls, name, arguments, choices, root)


def _accepted(cls: type) -> dict[str, inspect.Parameter]:
    """The arguments that a class takes, also those it hands on to its base as ``**kwargs``."""
    accepted: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        parameters = inspect.signature(base).parameters.values()
        accepted = {p.name: p for p in parameters if p.kind is not p.VAR_KEYWORD} | accepted
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            break
    return accepted


def _first_that_works(cls: Any, name: str, arguments: dict[str, Any], choices: list[dict[str, str]], root: Any) -> Any:
    failure: Exception | None = None
    for choice in choices:
        try:
            return cls(**arguments, **choice)
        except ValueError as error:  # this class calls the part otherwise
            failure = failure or error
        except ImportError as error:
            raise InputError(f"{name} cannot be read: {_one_line(error)}") from error
        except (RuntimeError, OSError) as error:
            why = _one_line(error)[:120]
            if arguments.get("download"):
                raise InputError(
                    f"{name} could not be fetched to {root} ({why}): put its files there, or try again with a network."
                ) from error
            fetch = "set data.download=true to fetch it" if "download" in arguments else "put its files there"
            raise InputError(f"{name} was not found under {root} ({why}): {fetch}.") from error
        except TypeError as error:
            raise InputError(f"{name} needs arguments that a recipe cannot give ({_one_line(error)}).") from error
    raise InputError(f"{name} has no part of that name ({_one_line(failure)}): set data.split.")


def _pixels(dataset: Any) -> Tensor | None:
    """All images as (N, C, H, W) uint8, where the data set holds them so."""
    data = getattr(dataset, "data", None)
    if isinstance(data, np.ndarray) and data.dtype == np.uint8:
        data = torch.from_numpy(data)
    if not isinstance(data, Tensor) or data.dtype != torch.uint8 or len(data) != len(dataset) or not len(data):
        return None
    if data.ndim == 3:
        return data.unsqueeze(1)
    if data.ndim != 4:
        return None
    return data if data.shape[1] in (1, 3) else data.permute(0, 3, 1, 2).contiguous()


def _labels(dataset: Any) -> Tensor | None:
    """Class of every sample, where the data set tells without decoding: (N,) int64, -1 = unlabelled."""
    for key in ("targets", "labels", "_labels"):
        values = getattr(dataset, key, None)
        if isinstance(values, (list, tuple, np.ndarray, Tensor)) and len(values) == len(dataset):
            array = np.asarray(values)
            if array.ndim == 1 and array.dtype.kind in "ui":
                labels = torch.from_numpy(array.astype(np.int64)).clamp(min=-1)
                return labels if bool((labels >= 0).any()) else None
    return None


def _class_names(dataset: Any, labels: Tensor | None) -> list[str]:
    """Names of the classes; none where the data set has no name for each, which are then called by their numbers."""
    if labels is None:
        return []
    names = getattr(dataset, "classes", None)
    count = int(labels.max()) + 1
    if isinstance(names, (list, tuple)) and len(names) >= count:
        found = [n if isinstance(n, str) else str(n[0] if isinstance(n, tuple) else n) for n in names]
        # Two classes of ImageNet are called crane.
        times = Counter(found)
        return [name if times[name] == 1 else f"{name} ({k})" for k, name in enumerate(found)]
    return []


def _one_line(error: BaseException | None) -> str:
    return " ".join(str(error).split()) if error is not None else ""
