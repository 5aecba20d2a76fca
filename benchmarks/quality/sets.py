"""The data sets, by name: how each is made, what it is a variant of, and where pretraining finds it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.quality.images import Images, cifar10, digits, fashion, omniglot, save_images
from benchmarks.quality.scenes import (
    VARIANTS,
    Scene,
    clear,
    east,
    indian_pines,
    jasper_ridge,
    samson,
    save_scene,
    west,
)

SCENE, IMAGE = "scene", "image"


class SetKind(NamedTuple):
    """A data set.

    Attributes:
        kind: ``scene`` or ``image``.
        family: the set that it is a variant of; its own name otherwise.
        make: data folder or None -> arrays.
        quick: whether the short run has it.
    """

    kind: str
    family: str
    make: Callable[[Path | None], Scene | Images]
    quick: bool = False


class Prepared(NamedTuple):
    """A set that is at hand.

    Attributes:
        name, kind, family: as in ``SETS``.
        content: the arrays, labels among them.
        file: what pretraining reads.
        digest: of the arrays.
    """

    name: str
    kind: str
    family: str
    content: Scene | Images
    file: Path
    digest: str

    @property
    def overrides(self) -> tuple[str, ...]:
        """What leads a recipe to it."""
        if self.kind == SCENE:
            return ("data.source=scene", f"data.path={self.file}", "data.layout=HWC")
        layout = "NHW" if np.load(self.file, mmap_mode="r").ndim == 3 else "NHWC"
        # A recipe for a folder of image files says how they are read, which arrays need not be.
        said_of_files = ("data.image_size=null", "data.in_chans=null")
        return ("data.source=arrays", f"data.path={self.file}", f"data.layout={layout}", *said_of_files)


def _varied(make: Callable[[Path | None], Scene], change: Callable[[Scene], Scene], folder: Path | None) -> Scene:
    return change(make(folder))


_SCENES: dict[str, Callable[[Path | None], Scene]] = {
    "indian-pines": indian_pines,
    "samson": samson,
    "jasper-ridge": jasper_ridge,
}
SETS: dict[str, SetKind] = {
    **{name: SetKind(SCENE, name, make, quick=True) for name, make in _SCENES.items()},
    "indian-pines-west": SetKind(SCENE, "indian-pines", partial(_varied, indian_pines, west)),
    "indian-pines-east": SetKind(SCENE, "indian-pines", partial(_varied, indian_pines, east)),
    "indian-pines-clear": SetKind(SCENE, "indian-pines", partial(_varied, indian_pines, clear)),
    **{
        f"{name}-{variant}": SetKind(SCENE, name, partial(_varied, make, change))
        for name, make in _SCENES.items()
        for variant, change in VARIANTS.items()
    },
    "digits": SetKind(IMAGE, "digits", digits, quick=True),
    "fashion-500": SetKind(IMAGE, "fashion", partial(fashion, samples=500), quick=True),
    "fashion-4000": SetKind(IMAGE, "fashion", partial(fashion, samples=4_000)),
    "omniglot": SetKind(IMAGE, "omniglot", omniglot),
    "cifar10": SetKind(IMAGE, "cifar10", cifar10),
}


def chosen_sets(words: list[str], quick: bool) -> list[str]:
    """Names of sets, from names, families and kinds; without any, those of the short run or all.

    Raises:
        ValueError: for a word that is none of these.
    """
    if not words:
        return [name for name, of in SETS.items() if of.quick or not quick]
    for word in words:
        if not any(word in (name, of.family, of.kind) for name, of in SETS.items()):
            raise ValueError(f"there is no set {word}: choose from {', '.join(SETS)}, or say scene or image.")
    # A family's own name means that set alone in a short run.
    return [
        name
        for name, of in SETS.items()
        if name in words or ((of.family in words or of.kind in words) and (of.quick or not quick))
    ]


def prepare(name: str, data: Path | None, folder: Path) -> Prepared:
    """Makes a set and saves what pretraining reads of it.

    Args:
        name: of ``SETS``.
        data: folder of real data.
        folder: where it is saved, in a folder of its name.

    Raises:
        NotAtHandError: if its files are not there.
    """
    kind, family, make, _ = SETS[name]
    content = make(data)
    place = folder / name
    file = save_scene(content, place) if isinstance(content, Scene) else save_images(content, place)
    digest = hashlib.sha256()
    for part in content:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype} {part.shape}\n".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(f"{part}\n".encode())
    return Prepared(name, kind, family, content, file.absolute(), digest.hexdigest())
