"""A folder of image files as a source, with or without one folder for each class."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from simclr.data.content import ContentHash, SampleHashes, hash_of
from simclr.data.file_kind import check_folder, printable
from simclr.data.images.decode import Format, decode, is_deep, is_grey, upright
from simclr.data.images.find import EXTENSIONS, class_folders, find_images, first_folder
from simclr.data.images.picture_file import opened
from simclr.data.stream import DamagedError, StreamSource, too_many_damaged
from simclr.errors import InputError
from simclr.recipe.data import required_path
from simclr.recipe.images import ImageFolderData

_PROBED = 32  # images opened to find out what the folder holds


def open_image_folder(data: ImageFolderData, part: str) -> ImageFolder | None:
    """One part of a folder of images.

    A folder at ``data.path`` that has the folder train/ holds its test part in test/, val/ or valid/, unless
    ``data.test_path`` names another.
    """
    root = Path(required_path(data, data.path, "a folder of images")).expanduser()
    check_folder(root, "data.path", "a folder of images")
    train = root / "train" if (root / "train").is_dir() else root
    folder: str | Path | None = train if part == "train" else data.test_path
    if folder is None and train != root:
        folder = next((root / name for name in ("test", "val", "valid") if (root / name).is_dir()), None)
    if folder is None:
        return None
    if part == "test":
        check_folder(Path(folder).expanduser(), "data.test_path", "a folder of images")
    # The training part numbers the classes, also those that the test part lacks.
    names = class_folders(find_images(train)) if part == "test" else []
    return ImageFolder(
        folder,
        image_size=data.image_size,
        in_chans=data.in_chans,
        class_names=names if len(names) > 1 else None,
        max_damaged=data.max_damaged,
        name=data.name,
    )


class ImageFolder(StreamSource):
    """Image files below a folder, read when asked for.

    Every folder directly below ``path`` is a class (sorted by name), with all images below it. There are no labels if
    images lie directly in ``path``, or if there is only one folder. Files are sorted by path, so ids are stable.
    Hidden files and folders are ignored. Each real file is read once, whatever links lead to it.

    Args:
        path: the folder.
        image_size: side that images are resized (shorter side) and centre-cropped to; None requires one size of all.
        in_chans: 1 or 3; None = 3 if any of 32 images spread over the folder has colours, otherwise 1.
        class_names: the classes, when they are those of another folder (the training part's); None = those found.
        max_damaged: share of the images that may be unreadable.
        name: what it is called in logs; the folder's path when None.

    Raises:
        InputError: if the folder is missing or holds no image that can be read; if one file lies in two classes, or an
            image would lose pages, bands or values.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        image_size: int | None = None,
        in_chans: int | None = None,
        class_names: Sequence[str] | None = None,
        max_damaged: float = 0.01,
        name: str | None = None,
    ) -> None:
        root = Path(path).expanduser()
        check_folder(root, "data.path", "a folder of images")
        if in_chans not in (None, 1, 3):
            raise InputError(f"data.in_chans is {in_chans}: images are decoded to 1 (grey) or 3 (RGB) channels.")
        if image_size is not None and image_size < 1:
            raise InputError(f"data.image_size is {image_size}: set 1 or more pixels.")
        self.root = root
        passed_over: Counter[str] = Counter()
        self.files = find_images(root, passed_over)
        if not self.files:
            raise InputError(f"no images under {root}: looked for {', '.join(EXTENSIONS)}.")
        self.max_damaged = max_damaged
        self.format, size = self._probe(in_chans, image_size)
        self.sample_shape = (self.format.in_chans, *size)
        self.sample_dtype = self.format.dtype
        labels, class_names = self._classes(class_names)
        super().__init__(
            name or printable(str(path)),
            self.format.in_chans,
            labels=labels,
            class_names=class_names,
            value_max=self.format.value_max,
        )
        if passed_over:
            endings = ", ".join(f"{n} of {ending or 'none'}" for ending, n in passed_over.most_common(5))
            self.notes = (f"files of other endings than {', '.join(EXTENSIONS)} are left out: {endings}",)

    def __len__(self) -> int:
        return len(self.files)

    def sample_name(self, i: int) -> str:
        return printable(self.files[i])

    def read_one(self, i: int) -> Tensor:
        with opened(self.root / self.files[i], self.files[i]) as image:
            sample = decode(image, self.format)
        if tuple(sample.shape) != self.sample_shape:
            raise InputError(
                f"{self.root / self.files[i]} has {sample.shape[2]}x{sample.shape[1]} pixels, but the first image has "
                f"{self.sample_shape[2]}x{self.sample_shape[1]}: set data.image_size to resize them all."
            )
        return sample

    def content_hash(self) -> str:
        """SHA-256 of relative path, size and time of change of every file, and of how they are decoded."""
        content = ContentHash("files", self.format, self.sample_shape)
        for name in self.files:
            stat = os.stat(self.root / name)
            content.note(name.replace(os.sep, "/"), stat.st_size, stat.st_mtime_ns)
        return content.hexdigest()

    def sample_hashes(self) -> SampleHashes:
        """Of the bytes of every file: no image is decoded, and what it is resized to later changes nothing.

        Reading is the whole cost, and waits for the disk: so sixteen files at a time.
        """
        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(self._hash_file, self.files))
        return SampleHashes("files", torch.tensor(found, dtype=torch.int64))

    def _hash_file(self, name: str) -> int:
        try:
            return hash_of((self.root / name).read_bytes())
        except OSError:  # it has gone since the folder was opened
            return 0

    def _classes(self, given: Sequence[str] | None) -> tuple[Tensor | None, Sequence[str]]:
        found = class_folders(self.files)
        strange = next((name for name in found if printable(name) != name), None)
        if strange is not None:
            raise InputError(f"{self.root} has the class folder {printable(strange)}, not named in UTF-8: rename it.")
        if given is None and len(found) < 2:
            return None, ()
        names = found if given is None else given
        unknown = sorted(set(found) - set(names))
        if unknown:
            raise InputError(
                f"{self.root} has the class folder {unknown[0]!r}, which the training part lacks: "
                f"its classes are {', '.join(names[:10])}{', ...' if len(names) > 10 else ''}."
            )
        if not found:
            return None, ()
        number = {name: k for k, name in enumerate(names)}
        return torch.tensor([number[first_folder(f)] for f in self.files]), names

    def _probe(self, in_chans: int | None, image_size: int | None) -> tuple[Format, tuple[int, int]]:
        """The format that suits the folder, and the (height, width) of a decoded image."""
        n = len(self.files)
        spread = dict.fromkeys(k * n // _PROBED for k in range(_PROBED))
        facts = [fact for i in spread if (fact := self._look(i, image_size)) is not None]
        if not facts:
            facts = [fact for i in range(n) if (fact := self._look(i, image_size)) is not None][:1]
        if not facts:
            raise InputError(too_many_damaged(str(self.root), self.files, n, self.max_damaged))
        if in_chans is None:
            in_chans = 1 if all(grey for grey, _, _ in facts) else 3
        deep = in_chans == 1 and all(deep for _, deep, _ in facts)
        return Format(in_chans, deep, image_size), (image_size, image_size) if image_size else facts[0][2]

    def _look(self, i: int, image_size: int | None) -> tuple[bool, bool, tuple[int, int]] | None:
        """Whether image i is grey, whether it has 16 bits, and its (height, width); None if it cannot be read."""
        try:
            with opened(self.root / self.files[i], self.files[i]) as image:
                grey, deep = is_grey(image), is_deep(image)
                width, height = upright(image, image_size).size
        except DamagedError:
            return None
        return grey, deep, (height, width)
