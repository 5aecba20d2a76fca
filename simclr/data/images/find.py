"""The image files below a folder: each real file once, whatever links lead to it."""

from __future__ import annotations

import os
import stat
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from simclr.data.file_kind import printable, special
from simclr.errors import InputError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm")


def find_images(root: Path, passed_over: Counter[str] | None = None) -> list[str]:
    """Paths of the image files below a folder, relative to it, sorted; hidden files and folders are left out.

    Links are followed, but for those that lead back to a folder that they lie in. A file that several paths lead to,
    by links or as hard links, is listed once, by a path without links where there is one.

    Args:
        root: the folder.
        passed_over: counts the files of other endings, by their ending.

    Raises:
        InputError: if a folder may not be looked into, an entry is no file that can be read to its end, or one file
            lies in two class folders.
    """
    walk = _Walk(root)
    if passed_over is not None:
        walk.passed_over = passed_over
    walk.folder(walk.real_root, "", (walk.real_root,))
    while walk.links:
        walk.link(*walk.links.popleft())
    # The first of the paths that lead to one file stands for it; most files have no second one, and no entry here.
    same = {paths[0]: paths for paths in walk.hard_links()}
    first_of = {path: paths[0] for paths in same.values() for path in paths}
    plain = set(walk.files) if walk.linked else set()
    for real, path in walk.linked:
        inside = real.removeprefix(os.path.join(walk.real_root, ""))
        if inside in plain:
            first = first_of.get(inside, inside)
            same.setdefault(first, [first]).append(path)
        else:
            same.setdefault(first_of.setdefault(real, path), []).append(path)
    others = {path for paths in same.values() for path in paths[1:]}
    kept = sorted({path for path in walk.files if path not in others} | same.keys()) if same else sorted(walk.files)
    if class_folders(kept):
        _check_one_class(root, same.values())
    return kept


def class_folders(files: Sequence[str]) -> list[str]:
    """Names of the folders that the images lie in, sorted; none if any image lies in no folder."""
    folders = {first_folder(f) for f in files}
    return [] if "" in folders else sorted(folders)


def first_folder(file: str) -> str:
    """The folder that a path begins with; "" where it is a file's name alone."""
    folder, _, rest = file.partition(os.sep)
    return folder if rest else ""


class _Walk:
    """What lies below a folder, gathered on the way.

    Attributes:
        files: paths of image files, relative to the root, that no link lies on.
        inodes: their numbers on their disk.
        links: links to be followed: (relative path, real folders that it lies in).
        linked: image files that links led to: (real path, relative path).
        passed_over: files of other endings, by their ending.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.real_root = root, os.path.realpath(root)
        self.files: list[str] = []
        self.inodes: list[int] = []
        self.links: deque[tuple[str, tuple[str, ...]]] = deque()
        self.linked: list[tuple[str, str]] = []
        self.passed_over: Counter[str] = Counter()
        self._seen: set[tuple[str, str]] = set()
        self._folders: dict[str, str] = {}

    def folder(self, real: str, path: str, within: tuple[str, ...], linked: bool = False) -> None:
        """Everything below a folder, once for each class folder that leads to it.

        Args:
            real: the folder without links.
            path: the path that led to it.
            within: the real folders on that path, itself the last.
            linked: whether a link was among them.
        """
        todo = [(real, path, within)]
        while todo:
            real, path, within = todo.pop()
            if (key := (path.partition(os.sep)[0], real)) in self._seen:
                continue
            self._seen.add(key)
            for entry in self._entries(real, path):
                below = path + os.sep + entry.name if path else entry.name
                if entry.is_symlink():
                    self.links.append((below, within))
                elif entry.is_dir(follow_symlinks=False):
                    todo.append((entry.path, below, (*within, entry.path)))
                elif not entry.name.lower().endswith(EXTENSIONS):
                    self.passed_over[os.path.splitext(entry.name)[1].lower()] += 1
                elif not entry.is_file(follow_symlinks=False):
                    self._refuse(below, f"is {special(os.lstat(entry.path).st_mode)}")
                elif linked:
                    self.linked.append((entry.path, below))
                else:
                    self.files.append(below)
                    self.inodes.append(entry.inode())

    def link(self, path: str, within: tuple[str, ...]) -> None:
        """What a link leads to, unless that is a folder which the link lies in."""
        real = self._target(os.path.join(self.root, path))
        try:
            mode = os.stat(real).st_mode
        except OSError:  # it leads nowhere, or to itself
            mode = 0
        if stat.S_ISDIR(mode):
            above_root = os.path.join(self.real_root, "").startswith(os.path.join(real, ""))
            if not above_root and real not in within:
                self.folder(real, path, (*within, real), linked=True)
        elif path.lower().endswith(EXTENSIONS):
            if not stat.S_ISREG(mode):
                self._refuse(path, f"is a link to {special(mode) if mode else 'a file that does not exist'}")
            self.linked.append((real, path))

    def hard_links(self) -> list[list[str]]:
        """The names of each file that has several among ``files``, sorted; two disks may use one number twice."""
        numbers, which, count = np.unique(
            np.array(self.inodes, dtype=np.uint64), return_inverse=True, return_counts=True
        )
        groups: dict[tuple[int, int], list[str]] = {}
        for i in np.flatnonzero(count[which] > 1).tolist() if len(numbers) < len(self.files) else []:
            about = os.stat(self.root / self.files[i])
            if about.st_nlink > 1:
                groups.setdefault((about.st_dev, about.st_ino), []).append(self.files[i])
        return [sorted(paths) for paths in groups.values() if len(paths) > 1]

    def _target(self, link: str) -> str:
        """What ``os.path.realpath`` says of a link, the folders on the way looked up once."""
        folder, name = os.path.split(os.path.join(os.path.dirname(link), os.readlink(link)))
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        real = os.path.join(self._folders[folder], name)
        return os.path.realpath(real) if name in ("", ".", "..") or os.path.islink(real) else real

    def _entries(self, real: str, path: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(real) as entries:
                return sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: e.name)
        except OSError as error:
            raise InputError(
                f"{printable(str(self.root / path))} cannot be looked into ({error.strerror}): allow it, or move it "
                f"elsewhere."
            ) from error

    def _refuse(self, path: str, why: str) -> None:
        raise InputError(f"{printable(str(self.root / path))} {why} and no image that can be read: remove it.")


def _check_one_class(root: Path, found: Iterable[Sequence[str]]) -> None:
    """Raises InputError where the paths of one file begin with two class folders."""
    for paths in found:
        other = next((path for path in paths if first_folder(path) != first_folder(paths[0])), None)
        if other is not None:
            raise InputError(
                f"{printable(str(root / paths[0]))} and {printable(str(root / other))} are one file in two class "
                f"folders, {printable(first_folder(paths[0]))} and {printable(first_folder(other))}: remove one of "
                f"them, or the link that leads to it."
            )
