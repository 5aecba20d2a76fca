"""Two sets of samples that one encoder sees: which source, and which of its samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from simclr.augment.addressed import permutation
from simclr.data.open import PARTS, open_source
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder, load_encoder
from simclr.errors import InputError
from simclr.eval.set_words import NamedPair, NamedSet
from simclr.eval.splits.open_split import class_ids
from simclr.eval.streams import Stream
from simclr.eval.subject.opened import data_section
from simclr.eval.subject.subject import check_patches
from simclr.recipe.data import Data
from simclr.recipe.read import data_with
from simclr.recipe.scenes import SceneData

SIDES = ("north", "south", "west", "east")
# What a recipe says of the files that it names, and not of data like theirs.
_OF_THE_FILES = (
    *("name", "cube_key", "key", "ground_truth", "ground_truth_key", "labels", "labels_key", "class_names"),
    *("unlabelled", "unknown", "test_path", "test_labels"),
)


class SampleSet(NamedTuple):
    """Samples of a source: what they are called, and which ones, (n,) int64, ascending."""

    name: str
    source: Source
    ids: Tensor


class SeenPair(NamedTuple):
    """Two sets and the encoder that sees them, on the CPU."""

    encoder: FrozenEncoder
    path: Path
    a: SampleSet
    b: SampleSet


def open_pair(named: NamedPair, overrides: Sequence[str] = ()) -> SeenPair:
    """Both sets of what was named, under the encoder that was.

    Args:
        named: as of `simclr.eval.set_words.named_pair`, with an encoder.
        overrides: ``data.KEY=VALUE``, of the data that is named by its path.

    Raises:
        InputError: what was named does not fit together, or a part is none of its data.
    """
    assert named.encoder is not None  # else they are features
    if overrides and named.a.is_run and named.b.is_run:
        raise InputError(f"{overrides[0]} is of no use: A and B are runs, whose own data is taken as it is")
    encoder = load_encoder(named.encoder)
    opened: dict[str, Source] = {}
    sets = []
    for one in (named.a, named.b):
        section, part = _section(encoder, one, overrides), "test" if one.part == "test" else "train"
        key = f"{part} {section.model_dump_json()}"
        if key not in opened:
            source = open_source(section, part)
            if source is None:
                raise InputError(f"{one.text}: the data has no test part")
            _check_fits(encoder, source)
            opened[key] = source
        sets.append(SampleSet(one.text, opened[key], chosen(opened[key], one.part)))
    return SeenPair(encoder, named.encoder, *sets)


def chosen(source: Source, part: str | None = None) -> Tensor:
    """Ids of a part of a source, (n,) int64, ascending; of a scene without the pixels where nothing was measured.

    Args:
        source: whose samples.
        part: ``north``, ``south``, ``west`` or ``east``: that half of a scene; the name or the number of a class; or
            None, ``train`` and ``test`` for all, since a source is one of these parts already.

    Raises:
        InputError: there is no such part.
    """
    ids = torch.arange(len(source))
    if isinstance(source, SceneSource) and source.no_data is not None:
        ids = ids[~source.no_data.flatten()]
    if part is None or part in PARTS:
        return ids
    if isinstance(source, SceneSource) and part in SIDES:
        row, column = source.positions(ids).T
        first = row < source.height // 2 if part in SIDES[:2] else column < source.width // 2
        return ids[first if part in ("north", "west") else ~first]
    if source.labels is None:
        others = f"{', '.join(SIDES)} or a data.ground_truth" if isinstance(source, SceneSource) else "data with labels"
        raise InputError(f"{source.name} has no labels, and so no class {part}: give {others}")
    (label,) = class_ids([part], source)
    return ids[source.labels[ids] == label]


def drawn(ids: Tensor, most: int, seed: int, second: bool = False) -> Tensor:
    """Up to ``most`` of these ids at random, ascending; of the second of two sets others than of the first."""
    return ids[permutation(seed, Stream.DRAWN_SETS + second, len(ids))[:most].sort().values]


def _section(encoder: FrozenEncoder, named: NamedSet, overrides: Sequence[str]) -> Data:
    """What a recipe would say about the data of one set."""
    own = data_section(encoder, ())
    if named.is_run:
        section = data_section(load_encoder(named.place), ())
        if isinstance(section, SceneData) and isinstance(own, SceneData):  # as this encoder looks at scenes
            return section.model_copy(update={"patch_size": own.patch_size, "pool": own.pool})
        return section
    path = getattr(own, "path", None)
    if path is not None and Path(path).expanduser().exists() and named.place.samefile(Path(path).expanduser()):
        return data_section(encoder, overrides)
    folder = named.place.is_dir()
    kind = "scene" if isinstance(own, SceneData) else "image-folder" if folder else "arrays"
    if kind == "scene" and folder:
        raise InputError(f"{named.text} is a folder, but the encoder sees scenes: give a .mat, .npy or .npz file")
    like = data_section(encoder, [f"data.source={kind}"])
    fields = type(like).model_fields
    forgotten = {key: fields[key].default for key in _OF_THE_FILES if key in fields}
    said = like.model_copy(update={**forgotten, "path": str(named.place)}).model_dump(mode="json")
    return data_with(said, overrides)


def _check_fits(encoder: FrozenEncoder, source: Source) -> None:
    bands = encoder.preprocess.in_chans
    if source.in_chans != bands:
        raise InputError(f"the encoder takes {bands} bands, but {source.name} has {source.in_chans}")
    check_patches(encoder, source)
