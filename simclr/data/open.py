"""One door to every kind of source, by the words that a recipe uses."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch

from simclr.data.images.arrays import Arrays
from simclr.data.images.digits import load_digits
from simclr.data.images.image_folder import ImageFolder, class_folders, find_images
from simclr.data.images.torchvision_dataset import torchvision_source
from simclr.data.scenes.bands import band_numbers, wavelengths_of
from simclr.data.scenes.indian_pines import load_indian_pines
from simclr.data.scenes.scene import SceneSource
from simclr.data.scenes.scene_file import load_scene
from simclr.data.source import Source
from simclr.data.stream import StreamSource
from simclr.errors import InputError

SOURCES = ("indian-pines", "scene", "image-folder", "torchvision", "arrays", "digits")
FEEDS = ("auto", "resident", "stream")

PathLike = str | os.PathLike[str]


def open_source(
    *,
    source: str,
    part: str = "train",
    path: PathLike | None = None,
    test_path: PathLike | None = None,
    name: str | None = None,
    split: str | None = None,
    download: bool = False,
    image_size: int | None = None,
    in_chans: int | None = None,
    key: str | None = None,
    layout: str = "auto",
    labels: PathLike | None = None,
    test_labels: PathLike | None = None,
    labels_key: str | None = None,
    cube_key: str | None = None,
    ground_truth: PathLike | None = None,
    ground_truth_key: str | None = None,
    class_names: Sequence[str] = (),
    patch_size: int = 9,
    wavelengths: Sequence[float] | None = None,
    bad_bands: Sequence[int | Sequence[int]] = (),
    feed: str = "auto",
    resident_limit: int | None = None,
    workers: int | None = None,
    max_damaged: float = 0.01,
    device: torch.device | str = "cpu",
) -> Source | None:
    """Opens one part of a source.

    Args:
        source: one of ``SOURCES``.
        part: "train" or "test".
        path: folder or file of the data; for torchvision, its root.
        test_path: folder or file of the test part, for image folders and arrays. A folder at ``path`` that has the
            folder train/ holds its test part in test/, val/ or valid/.
        name: torchvision: class name of the data set; otherwise what the source is called in logs.
        split, download: torchvision only.
        image_size: side that photographs are resized and centre-cropped to.
        in_chans: 1 or 3 for photographs; None finds out.
        key, layout, labels, test_labels, labels_key: arrays only; labels of the two parts.
        cube_key, ground_truth, ground_truth_key, class_names: scenes only.
        patch_size: scenes only, in pixels.
        wavelengths: scenes only: of the bands in nm, or [first, last]; None = those of the file.
        bad_bands: scenes only: numbers from 0 and ranges [first, last] of bands that are held at 0.
        feed: "resident" loads all samples into one tensor on ``device``, "stream" reads them when asked for, "auto"
            is resident where the decoded samples are no larger than ``resident_limit``.
        resident_limit: bytes; None = 4 GiB on the CPU, a quarter of the free memory on CUDA.
        workers: processes that load a resident source; None = one a core.
        max_damaged: share of image files that may be unreadable; one always may be.
        device: where resident samples lie.

    Returns:
        The source, or None for part="test" where the source has no test part of its own.

    Raises:
        InputError: for everything that the user can mend.
    """
    _choose("data.source", source, SOURCES)
    _choose("part", part, ("train", "test"))
    _choose("data.feed", feed, FEEDS)
    if not 0 <= max_damaged <= 1:
        raise InputError(f"data.max_damaged is {max_damaged}: it is a share, from 0 to 1.")
    opened: Source | None
    if source in ("digits", "indian-pines", "scene"):
        if part == "test":
            return None
        if source == "digits":
            opened = load_digits()
        elif source == "indian-pines":
            opened = load_indian_pines(patch_size)
        else:
            opened = load_scene(
                _required(path, source, "the file that holds the cube"),
                cube_key=cube_key,
                ground_truth=ground_truth,
                ground_truth_key=ground_truth_key,
                class_names=class_names,
                patch_size=patch_size,
                name=name,
            )
    elif source == "image-folder":
        opened = _image_folder(
            Path(_required(path, source, "a folder of images")).expanduser(),
            part,
            test_path,
            image_size=image_size,
            in_chans=in_chans,
            max_damaged=max_damaged,
            name=name,
        )
    elif source == "arrays":
        file = _required(path, source, "a .npy or .npz file")
        chosen = file if part == "train" else test_path
        chosen_labels = labels if part == "train" else test_labels
        opened = None
        if chosen is not None:
            opened = Arrays(chosen, key=key, labels=chosen_labels, labels_key=labels_key, layout=layout, name=name)
    else:
        if name is None:
            raise InputError("data.name is not set: name the torchvision data set, such as data.name=CIFAR10.")
        opened = torchvision_source(
            name,
            path,
            part,
            split=split,
            download=download,
            image_size=image_size,
            in_chans=in_chans,
            max_damaged=max_damaged,
        )
    if isinstance(opened, SceneSource):
        side = min(opened.height, opened.width)
        if patch_size > side:
            raise InputError(
                f"data.patch_size is {patch_size}, but {opened.name} has {opened.height}x{opened.width} pixels: "
                f"use {side - 1 + side % 2} or less, an odd number"
            )
    if isinstance(opened, SceneSource) and (wavelengths is not None or bad_bands):
        known = opened.wavelengths if wavelengths is None else wavelengths_of(wavelengths, opened.in_chans)
        opened = opened.with_bands(known, band_numbers(bad_bands, opened.in_chans))
    if isinstance(opened, StreamSource) and (
        feed == "resident" or (feed == "auto" and opened.nbytes <= _limit(resident_limit, torch.device(device)))
    ):
        opened = opened.load(workers)
    return None if opened is None else opened.to(device)


def _image_folder(
    root: Path,
    part: str,
    test_path: PathLike | None,
    *,
    image_size: int | None,
    in_chans: int | None,
    max_damaged: float,
    name: str | None,
) -> ImageFolder | None:
    train = root / "train" if (root / "train").is_dir() else root
    if part == "train":
        return ImageFolder(train, image_size=image_size, in_chans=in_chans, max_damaged=max_damaged, name=name)
    test: PathLike | None = test_path
    if test is None and train != root:
        test = next((root / folder for folder in ("test", "val", "valid") if (root / folder).is_dir()), None)
    if test is None:
        return None
    # The training part numbers the classes, also those that the test part lacks.
    names = class_folders(find_images(train))
    return ImageFolder(
        test,
        image_size=image_size,
        in_chans=in_chans,
        class_names=names if len(names) > 1 else None,
        max_damaged=max_damaged,
        name=name,
    )


def _limit(given: int | None, device: torch.device) -> int:
    """Bytes that a resident source may take."""
    if given is not None:
        return given
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 4
    return 4 << 30


def _required(path: PathLike | None, source: str, what: str) -> PathLike:
    if path is None:
        raise InputError(f"data.path is not set, but data.source={source} needs {what}: set data.path.")
    return path


def _choose(key: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise InputError(f"{key} is {value!r}: choose one of {', '.join(allowed)}.")
